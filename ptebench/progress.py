"""A progress line for long work."""

import time

EVERY = 5.0  # seconds between two lines


class Progress:
    """Prints every few seconds how much work is done and how long the rest will take.

    unit: the plural noun that follows the numbers. total: None if unknown. start: what was done before this run.
    """

    def __init__(self, what: str, unit: str, total: float | None, say=print, start: float = 0):
        self.what, self.unit, self.total, self.say, self.start = what, unit, total, say, start
        self.start_time = self.last_line = time.monotonic()

    def seconds_left(self, done: float) -> float:
        """Return the seconds that the rest takes at the pace so far, where the total is known."""
        assert self.total is not None
        return (time.monotonic() - self.start_time) / max(done - self.start, 1e-9) * (self.total - done)

    def __call__(self, done: float, note: str = "") -> None:
        """Print the progress line, unless the last one is a few seconds old; append `note`."""
        if (now := time.monotonic()) - self.last_line < EVERY:
            return
        self.last_line = now
        of, rest = "", ""
        if self.total is not None:
            of, rest = f" of {self.total:,.0f}", f", about {self.seconds_left(done):,.0f} s left"
        self.say(f"{self.what}: {done:,.0f}{of} {self.unit}{note}{rest}")
