"""The instructions of distillation: prompts and the teacher's answers."""

from ptebench.profiles.evidence.prompts import messages
from ptebench.profiles.schema.fields import layout
from ptebench.provenance import digest


def instruction(identity: int, prompt: str, fields: dict, side: str) -> dict:
    """Return one line of an instructions file."""
    return {
        "id": identity,
        "prompt": messages(prompt),
        "completion": [{"role": "assistant", "content": layout(fields, side)}],
        "prompt_sha256": digest(prompt),
    }
