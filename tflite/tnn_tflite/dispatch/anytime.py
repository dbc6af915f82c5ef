"""Exit after exit, until a deadline by the clock: no segment starts that would not end in time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.answers import ALL, in_form
from tnn_tflite.dispatch.result import Result
from tnn_tflite.dispatch.segment_answers import SegmentAnswers, segment_milliseconds
from tnn_tflite.policies.policy import KnownLevel

PERCENTILE = 90  # by the median, half of the calls that just fit would end late


def exit_after_exit(
    bundle: Bundle,
    answers: SegmentAnswers,
    levels: Sequence[KnownLevel],
    batched: bool,
    start: float,
    deadline_ms: float | None = None,
) -> Iterator[Result]:
    """Runs a call from exit to exit.

    Args:
        bundle: The bundle, or that of one of its levels.
        answers: Of the call; nothing ran yet.
        levels: The exits up to the last that may run, measured if there is a deadline.
        batched: Whether the outputs have a batch axis.
        start: When the call began, by `time.perf_counter`.
        deadline_ms: Milliseconds from then, for all samples together. A segment starts only if
            what nine of ten took, by the table, fits into what is left. None for no deadline.

    Yields:
        A result for each exit, when its answer is there.
    """
    takes = segment_milliseconds(levels, PERCENTILE) if deadline_ms is not None else None
    for index, level in enumerate(bundle.points[: len(levels)]):
        if takes is not None:
            left = deadline_ms - _milliseconds_since(start)
            if answers.samples * takes[index] > left:
                return
        answers.run([(index, ALL)])
        yield Result(
            in_form(bundle, answers.outputs, batched),
            level,
            _milliseconds_since(start),
            f"{level.title}, {index + 1} of {len(bundle.points)}",
            answers.samples,
            answers.is_warm,
            levels[index].milliseconds,
            tuple(bundle.points[: index + 1]),
            (level.utilization,) * answers.samples,
            answers.macs,
        )


def last_exit_in_time(
    bundle: Bundle,
    answers: SegmentAnswers,
    levels: Sequence[KnownLevel],
    batched: bool,
    start: float,
    budget_ms: float,
) -> Result:
    """Runs a call to the last exit that fits; arguments as for `exit_after_exit`.

    Raises:
        ValueError: If not even the first segment fits.
    """
    last = None
    for last in exit_after_exit(bundle, answers, levels, batched, start, budget_ms):  # noqa: B007
        pass
    takes = [answers.samples * one for one in segment_milliseconds(levels, PERCENTILE)]
    if last is None:
        raise ValueError(
            f"Invalid value for `budget_ms`. Expected more than the {takes[0]:.3f} ms that it "
            f"takes here to {bundle.points[0].title}, the first: what would be late never starts. "
            f"Received: budget_ms={budget_ms!r}"
        )
    there = f"{last.level.title} was there after {last.milliseconds:.3f} ms of {budget_ms:.3f} ms"
    if len(last.levels) == len(levels):
        is_last = len(levels) == len(bundle.points)
        behind = "and there is nothing behind it" if is_last else "as far as it was to go"
        return replace(last, reason=f"{there}, {behind}")
    following = bundle.points[len(last.levels)]
    more = f"{following.title} would take {takes[len(last.levels)]:.3f} ms more"
    return replace(last, reason=f"{there}, {more}")


def _milliseconds_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
