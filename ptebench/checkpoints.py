"""When a checkpoint is due."""

import time

CHECKPOINT_SECONDS = 60.0  # between two checkpoints: a short training saves none


class Clock:
    """The time since training began and since its last checkpoint."""

    def __init__(self):
        self.begun = self.saved = time.monotonic()

    def is_due(self) -> bool:
        """Say whether the last checkpoint is old."""
        return time.monotonic() - self.saved >= CHECKPOINT_SECONDS

    def is_long(self) -> bool:
        """Say whether training has been long, so that its end is worth a checkpoint too."""
        return time.monotonic() - self.begun >= CHECKPOINT_SECONDS

    def restart(self) -> None:
        """Count from now: a checkpoint is written."""
        self.saved = time.monotonic()
