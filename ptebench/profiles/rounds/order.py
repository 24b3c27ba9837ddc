"""Which round continues which."""

FIRST = {"next": "continue", "retried": False}  # what stands in for a probe before the first round


def inputs_of(side: str, probe: dict) -> list[str]:
    """Return the names of a half-round's inputs: the adapter it continues, what its prompts show, of items the earlier.

    A refused round is continued by none: the next goes on from what that one had continued.
    """
    back = "retreat" if probe["next"] == "retry" else "earlier"
    if side == "user" and back == "retreat":
        return ["retreat_adapter", "retreat_profiles"]
    return ["adapter", "evidence"] + [f"{back}_profiles"] * (side == "item")
