"""A line on the terminal that tells how far a long task is, and that is gone when it ends."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

WAIT = 2.0  # seconds: what is quicker needs no line
CLEAR = "\r\x1b[K"  # the line of a terminal
EVERY = 0.2  # seconds between two lines
WIDTH = 24  # characters of the bar

Item = TypeVar("Item")


def with_bar(
    items: Iterable[Item], unit: str, verbose: bool | None = None, wait: float = WAIT
) -> Iterator[Item]:
    """Yields the items, with a bar on standard error.

    Args:
        items: What is done, one after another; of known number.
        unit: What they are, in the plural.
        verbose: Whether to show it. None on a terminal only.
        wait: Seconds before it is shown.

    Example:

    >>> list(with_bar([1, 2], "levels"))
    [1, 2]
    """
    shown = sys.stderr.isatty() if verbose is None else verbose
    total = len(items) if isinstance(items, Sized) else None
    if not shown or not total:
        yield from items
        return
    begin = time.perf_counter()
    last = None
    try:
        for done, item in enumerate(items):
            now = time.perf_counter()
            if now - begin >= wait and (last is None or now - last >= EVERY):
                _show(CLEAR + _line(done, total, unit, now - begin))
                last = now
            yield item
    finally:
        if last is not None:
            _show(CLEAR)


def clear_line() -> None:
    """Removes the bar from the terminal, for a line of the caller's own."""
    if sys.stderr.isatty():
        _show(CLEAR)


def _show(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _line(done: int, total: int, unit: str, seconds: float) -> str:
    bar = ("=" * (WIDTH * done // total)).ljust(WIDTH, ".")
    left = f", {seconds / done * (total - done):.0f} s left" if done else ""
    return f"[{bar}] {done}/{total} {unit}{left}"
