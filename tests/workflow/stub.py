"""Stands in for `python -m workflow_scripts.X`: makes the outputs that the command names, from what it was given.

STUB_FAILS: of a command in which this stands, the job fails, by the signal STUB_SIGNAL where that is set. STUB_SLEEPS:
seconds before it does anything.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

words = sys.argv[1:]
print("epoch 3/10  loss 4.2", flush=True)
time.sleep(float(os.environ.get("STUB_SLEEPS", 0)))
if os.environ.get("STUB_FAILS", "\0") in " ".join(words):
    if "STUB_SIGNAL" in os.environ:
        os.kill(os.getpid(), int(os.environ["STUB_SIGNAL"]))
    sys.exit("error: train.parquet: the loss is not finite; lower learning_rate")
for place, word in enumerate(words):
    if word in ("--output", "--provenance"):
        path = Path(words[place + (2 if word == "--output" else 1)])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(hashlib.sha256(path.as_posix().encode()).hexdigest())
