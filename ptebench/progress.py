"""How far a long work is."""

import time

EVERY = 5.0  # seconds between two lines


class Progress:
    """Says every few seconds how much of a work is done and how long the rest takes.

    unit: what is counted, behind the numbers. total: None where nobody knows it. start: what was done before.
    """

    def __init__(self, what: str, unit: str, total: float | None, say=print, start: float = 0):
        self.what, self.unit, self.total, self.say, self.start = what, unit, total, say, start
        self.begun = self.told = time.monotonic()

    def seconds_left(self, done: float) -> float:
        """Return the seconds that the rest takes at the pace so far, where the total is known."""
        assert self.total is not None
        return (time.monotonic() - self.begun) / max(done - self.start, 1e-9) * (self.total - done)

    def __call__(self, done: float, note: str = "") -> None:
        """Tell how much is done, unless that was told just now; `note` stands behind it."""
        if (now := time.monotonic()) - self.told < EVERY:
            return
        self.told = now
        of, rest = "", ""
        if self.total is not None:
            of, rest = f" of {self.total:,.0f}", f", about {self.seconds_left(done):,.0f} s left"
        self.say(f"{self.what}: {done:,.0f}{of} {self.unit}{note}{rest}")
