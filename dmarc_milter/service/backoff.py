"""When the next worker may be started, after some that failed."""

SHORT_LIFE_SECONDS = 5.0
"""A worker that ends sooner counts as a failed start."""
MAX_FAILED_STARTS = 8
"""In a row; then the whole service ends, for something is wrong that trying again does not mend."""
MAX_DELAY_SECONDS = 15.0


class StartBackoff:
    """The more starts have failed in a row, the later the next. Times are those of ``time.monotonic()``, in seconds."""

    def __init__(self) -> None:
        self.failed = 0
        """Starts that failed in a row."""
        self.start_at = 0.0

    @property
    def has_given_up(self) -> bool:
        """Whether nothing is to be started any more."""
        return self.failed >= MAX_FAILED_STARTS

    def may_start(self, now: float) -> bool:
        """Whether a worker may be started now."""
        return not self.has_given_up and now >= self.start_at

    def note_end(self, now: float, lived: float, *, was_ready: bool) -> None:
        """A worker has ended by itself after `lived` seconds."""
        if was_ready and lived >= SHORT_LIFE_SECONDS:
            self.failed, self.start_at = 0, now
            return
        self.failed += 1
        self.start_at = now + min(MAX_DELAY_SECONDS, 0.1 * 2**self.failed)

    def postpone(self, until: float) -> None:
        """The system has no room for another process."""
        self.start_at = until

    def reset(self) -> None:
        """There are other settings: what failed before may not fail now."""
        self.failed, self.start_at = 0, 0.0
