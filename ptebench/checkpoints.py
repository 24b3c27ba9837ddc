"""A clock that tells when the next checkpoint is due."""

import time

CHECKPOINT_SECONDS = 60.0  # between two checkpoints: a short training saves none


class Clock:
    """The time since training began and since its last checkpoint."""

    def __init__(self):
        self.start = self.last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        return time.monotonic() - self.last >= CHECKPOINT_SECONDS

    def is_long(self) -> bool:
        """Return whether training has been long enough to save a checkpoint at its end."""
        return time.monotonic() - self.start >= CHECKPOINT_SECONDS

    def restart(self) -> None:
        """Start the time to the next checkpoint; call it when one has been written."""
        self.last = time.monotonic()
