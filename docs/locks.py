"""The lock of all packages in three files: torch, what its builds for GPUs need beside it, and all else.

.venv/bin/python docs/locks.py    # reads requirements.all, which `make lock` makes of requirements.in
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# digests of builds that the index does not have: the one for CPUs alone with which all is tested (Python 3.11, Linux)
TESTED = {"2.13.0": ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"]}
FOR_CUDA = ("cuda-", "nvidia-", "triton")


def split(lock: str) -> dict[str, str]:
    """Return the text of each file by its name."""
    head, *blocks = re.split(r"(?m)^(?=[\w.-]+==)", lock)
    head = "".join(line for line in dict.fromkeys(head.splitlines(keepends=True)) if line.startswith("#"))
    files = {"requirements.txt": head, "requirements-torch.txt": head, "requirements-cuda.txt": head}
    for block in blocks:
        name, version = re.match(r"([\w.-]+)==(\S+)", block).groups()
        if name == "torch":
            if version not in TESTED:
                raise SystemExit(
                    f"docs/locks.py: TESTED has no digest of torch {version}; add that of the build you test"
                )
            digests = sorted({*re.findall(r"sha256:(\w+)", block), *TESTED[version]})
            block = f"torch=={version}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in digests) + "\n"
        file = "-torch" if name == "torch" else "-cuda" if name.startswith(FOR_CUDA) else ""
        files[f"requirements{file}.txt"] += block
    return files


if __name__ == "__main__":
    for name, text in split((ROOT / "requirements.all").read_text(encoding="utf-8")).items():
        (ROOT / name).write_text(text, encoding="utf-8")
