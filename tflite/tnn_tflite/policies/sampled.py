"""A reading that is renewed now and then, not at every call."""

from collections.abc import Callable


class Sampled:
    """Keeps what `read` gave for some seconds.

    Only the thread that finds the reading too old reads; the others take the old one.

    Args:
        read: Gives the current value.
        every_seconds: How old a value may be.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        read: Callable[[], float | None],
        every_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._read = read
        self._every_seconds = every_seconds
        self._clock = clock
        self._value = read()
        self._read_at = clock()

    def value(self) -> float | None:
        """Returns a value that is at most `every_seconds` old, or one that is just renewed."""
        now = self._clock()
        if now - self._read_at >= self._every_seconds:
            # At first, so that other threads do not read as well. No lock: an exception, such as
            # that of a signal, between taking it and `try` would leave it locked for ever.
            self._read_at = now
            self._value = self._read()
        return self._value
