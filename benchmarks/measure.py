"""What the benchmarks share: the machine's description, medians, result files."""

import json
import os
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def settle() -> None:
    """Wait for what a GPU, if any, was given to do."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def machine(threads: int, device: str = "cpu") -> dict:
    """Return processor, cores, load, threads and the GPU that is used: figures of other machines differ, ratios less.

    How OpenMP's threads wait is part of it: on a busy machine spinning ones cost several times the work.
    """
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass  # not Linux
    load = [round(x, 2) for x in os.getloadavg()]
    gpu = {}
    if device == "cuda":
        import torch

        gpu["gpu"] = torch.cuda.get_device_name()
    return {"processor": model, "cores": os.cpu_count(), "load_before": load, "threads": threads, **gpu,
            "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "unset"),
            "python": platform.python_version(), "torch": version("torch")}  # fmt: skip


def spread(values) -> dict:
    """Return median, least, greatest and number of measurements."""
    values = list(values)
    return {
        "median": round(statistics.median(values), 4), "min": round(min(values), 4),
        "max": round(max(values), 4), "runs": len(values),
    }  # fmt: skip


def save(name: str, result: dict) -> None:
    """Write benchmarks/results/NAME.json and print it."""
    result["load_after"] = [round(x, 2) for x in os.getloadavg()]
    text = json.dumps(result, indent=2) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
