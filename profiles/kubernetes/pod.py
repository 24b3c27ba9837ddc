"""A job of Snakemake as a Job of Kubernetes, whose pod mounts the volume that this checkout lies on.

    python pod.py submit SCRIPT | status NAME | cancel NAME...

PTEBENCH_IMAGE: an image with the interpreter of the environment. PTEBENCH_CLAIM: the claim of the volume, which many
pods may mount. PTEBENCH_MOUNT: where the volume is mounted, here and in pods; by default the working folder.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path


def manifest(name: str, script: Path, properties: dict) -> dict:
    """Return the Job that runs a script with the memory, cores, GPUs and time that Snakemake says."""
    asked = properties["resources"]
    limits = {"memory": f"{asked['mem_mb']}M", "cpu": str(properties["threads"])}
    if asked.get("gpu"):
        limits["nvidia.com/gpu"] = str(asked["gpu"])
    container = {
        "name": "job",
        "image": os.environ["PTEBENCH_IMAGE"],
        "command": ["/bin/sh", str(script.resolve())],
        "workingDir": os.getcwd(),
        "resources": {"requests": limits, "limits": limits},
        "volumeMounts": [{"name": "checkout", "mountPath": os.environ.get("PTEBENCH_MOUNT", os.getcwd())}],
    }
    claim = {"name": "checkout", "persistentVolumeClaim": {"claimName": os.environ["PTEBENCH_CLAIM"]}}
    pod = {"restartPolicy": "Never", "containers": [container], "volumes": [claim]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        # Snakemake tries again, and asks for more; finished Jobs are kept for an hour, to be asked about
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 60 * asked["runtime"],
            "ttlSecondsAfterFinished": 3600,
            "template": {"spec": pod},
        },
    }


def kubectl(*words: str, text: str | None = None) -> str:
    """Return what kubectl prints; end with its error where it fails."""
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def submit(script: str) -> str:
    """Create the Job of a script; return its name."""
    if missing := [name for name in ("PTEBENCH_IMAGE", "PTEBENCH_CLAIM") if name not in os.environ]:
        sys.exit(f"error: {' and '.join(missing)} not set; docs/guide/cluster.md says what they name")
    path = Path(script)
    line = re.search(r"^# properties = (.*)$", path.read_text(), re.MULTILINE)
    name = f"pte-bench-{uuid.uuid4()}"
    kubectl("create", "-f", "-", text=json.dumps(manifest(name, path, json.loads(line[1] if line else "{}"))))
    return name


def status(name: str) -> str:
    """Return `running`, `success` or `failed`; a Job that is gone has failed."""
    job = json.loads(kubectl("get", "job", name, "--ignore-not-found", "-o", "json") or '{"status": {"failed": 1}}')
    states = {c["type"] for c in job["status"].get("conditions", []) if c["status"] == "True"}
    if "Complete" in states or job["status"].get("succeeded"):
        return "success"
    return "failed" if "Failed" in states or job["status"].get("failed") else "running"


if __name__ == "__main__":
    order, *words = sys.argv[1:]
    if order == "cancel":
        kubectl("delete", "job", "--ignore-not-found", *words)
    else:
        print({"submit": submit, "status": status}[order](words[0]))
