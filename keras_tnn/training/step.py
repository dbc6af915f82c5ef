"""What a training or test step hands from its forward pass to its loss.

Keras calls the model and its loss one after the other. What the loss needs beside the outputs
lives as long as the step, and nowhere else.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from keras_tnn.training.gate_objective import ForwardPass

CURRENT: ContextVar["Step | None"] = ContextVar("step", default=None)
CHOSEN: ContextVar[tuple[float, ...] | None] = ContextVar("chosen", default=None)


@dataclass
class Step:
    """One step.

    Attributes:
        levels: what the regime chose for it, the level of the outputs first; empty where
            utilization is drawn within the step.
        passes: the masked forward passes made, in turn.
        shared: what all levels read.
        judged: the level whose outputs the loss is asked for, one of `levels`; None without.
    """

    levels: tuple[float, ...]
    passes: list[ForwardPass] = field(default_factory=list)
    shared: Any = None
    judged: float | None = None

    def __post_init__(self):
        self.judged = self.levels[0] if self.levels else None


@contextmanager
def open_step(levels: tuple[float, ...]) -> Iterator[Step]:
    """Within it `current_step()` is this step."""
    step = Step(levels)
    token = CURRENT.set(step)
    try:
        yield step
    finally:
        CURRENT.reset(token)


def current_step() -> Step | None:
    """The step that runs, or None between steps and in a training loop of the user's own."""
    return CURRENT.get()


@contextmanager
def chosen(levels: tuple[float, ...]) -> Iterator[None]:
    """Within it a step runs at these levels."""
    token = CHOSEN.set(levels)
    try:
        yield
    finally:
        CHOSEN.reset(token)


class StepOfChoice:
    """Keras' function of a step that compiles one for each choice of levels, when it first occurs.

    Which levels a step runs is chosen before it, not in it: so each compiled step holds the levels
    that it computes, and no other. A choice inside it would trace all of them, forward and
    backward, before the first step.

    Args:
        choose: gives the levels of the next step.
        compile: from levels, the function of their step.
    """

    def __init__(self, choose, compile):
        self.choose, self.compile = choose, compile
        self.compiled = {}

    def __call__(self, *args):
        levels = self.choose()
        first = levels not in self.compiled
        if first:
            self.compiled[levels] = self.compile(levels)
        with chosen(levels), without_word_of_tracing() if first else nullcontext():
            return self.compiled[levels](*args)


@contextmanager
def without_word_of_tracing() -> Iterator[None]:
    """TensorFlow warns that functions of one name are traced often. Here that is meant."""
    logger = logging.getLogger("tensorflow")

    def passes(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
