"""Losses that layers add, of one forward pass among several in a step."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ADDED: ContextVar[list | None] = ContextVar("added", default=None)


@contextmanager
def adding(losses: list) -> Iterator[None]:
    """Within it these are the losses that a model's layers and regularizers add."""
    token = ADDED.set(losses)
    try:
        yield
    finally:
        ADDED.reset(token)


def added_losses() -> list | None:
    """Those of the pass that is judged; None where a model's own count."""
    return ADDED.get()
