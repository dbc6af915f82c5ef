"""A low level answers, and where it is not sure the next one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tnn_tflite.policies.certainty import FEW, MEASURES, certainty_of, certainty_of_one
from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.positive import check_positive
from tnn_tflite.quantized_values import dequantize
from tnn_tflite.utilization import ROUNDING, check_utilization

if TYPE_CHECKING:
    from tnn_tflite.dispatch.result import Result


class Escalate(Policy):
    """Runs a low level and keeps its answer if it is sure, else runs the next one.

    The answer of level k is kept if it is at least as sure as `thresholds[k]`: by default if its
    largest probability is. Integers count as the real numbers that they stand for. The last
    level's answer is always kept. In a batch each sample goes its way, and those that go on run
    together. `keras_tnn.analysis.escalation` finds levels and thresholds for a mean budget.

    Args:
        thresholds: In [0, 1], one for each level but the last. Or for each of them a list with one
            for each class: that of the class with the largest score decides.
        levels: Utilizations of the levels that it climbs, rising. None climbs all of the bundle.
        measure: Of how sure an answer is: `"probability"` or `"margin"`, see `certainty_of`.
        temperature: The logits are divided by it before the softmax.
        output: Name of the output with the scores, for a network with several.

    Raises:
        ValueError: If an argument is not valid, or thresholds and levels do not fit together.

    Example:

    >>> low = tnn_tflite.policies.KnownLevel(0.5, macs=10, parameters=4, bytes=900)
    >>> high = tnn_tflite.policies.KnownLevel(1.0, macs=40, parameters=16, bytes=2500)
    >>> tnn_tflite.policies.Escalate([0.9]).choose((low, high), {}).utilization
    0.5
    """

    def __init__(
        self,
        thresholds: Sequence[float] | Sequence[Sequence[float]] | np.ndarray,
        *,
        levels: Sequence[float] | None = None,
        measure: str = "probability",
        temperature: float = 1.0,
        output: str | None = None,
    ) -> None:
        self.thresholds = _checked_thresholds(thresholds)
        self.levels = None if levels is None else _checked_levels(levels)
        if measure not in MEASURES:
            raise ValueError(
                f"Invalid value for `measure`. Expected one of {MEASURES}. "
                f"Received: measure={measure!r}"
            )
        self.measure = measure
        self.temperature = check_positive("temperature", temperature)
        self.output = output
        self._ladder: _Ladder | None = None  # for the levels of the last call
        if self.levels is not None:
            self._check_count(self.levels)

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        return self._ladder_of(levels).first

    def go_on(self, levels: Sequence[KnownLevel], result: Result) -> Choice | None:
        rung = self._ladder_of(levels).rungs.get(result.utilization)
        if rung is None:  # the last one
            return None
        scores = self._scores(result)
        threshold = self.thresholds[rung.place]
        if threshold.ndim:
            threshold = self._of_classes(threshold, scores)[scores.argmax(axis=-1)]
        if scores.size <= FEW and len(scores) == 1:  # most calls, and numpy is a long way round
            (row,) = scores.tolist()
            sure = certainty_of_one(row, self.measure, self.temperature) >= threshold
            return None if sure else rung.alone
        sure = certainty_of(scores, self.measure, self.temperature) >= threshold  # NaN is not
        unsure = len(sure) - np.count_nonzero(sure)
        if not unsure:
            return None
        return Choice(
            np.where(sure, 0.0, rung.next),
            f"u={result.utilization:g} was not sure of {unsure} of {result.samples}",
        )

    def _ladder_of(self, levels: Sequence[KnownLevel]) -> _Ladder:
        """What it knows of levels; calls of one dispatcher bring the same ones."""
        ladder = self._ladder
        if ladder is None or ladder.levels is not levels:
            self._ladder = ladder = _Ladder.of(levels, self._climbed(levels))
        return ladder

    def _climbed(self, levels: Sequence[KnownLevel]) -> tuple[float, ...]:
        """The utilizations of the levels that it climbs."""
        known = tuple(level.utilization for level in levels)
        if self.levels is None:
            self._check_count(known)
            return known
        found = [next((u for u in known if abs(u - v) <= ROUNDING), None) for v in self.levels]
        if None in found:
            raise ValueError(
                f"Invalid value for `levels`. Expected levels of the bundle, {known}. "
                f"Received: levels={self.levels}"
            )
        return tuple(found)

    def _check_count(self, levels: Sequence[float]) -> None:
        if len(self.thresholds) != len(levels) - 1:
            raise ValueError(
                "Invalid value for `thresholds`. Expected one for each level but the last, "
                f"{len(levels) - 1} for the levels {tuple(levels)}. Received: "
                f"{len(self.thresholds)}"
            )

    def _scores(self, result: Result) -> np.ndarray:
        outputs, place = result.outputs, 0
        if isinstance(outputs, dict):
            if self.output not in outputs:
                raise ValueError(
                    "Invalid value for `output`. Expected the name of the output that has the "
                    f"scores, one of {list(outputs)}. Received: output={self.output!r}"
                )
            place, outputs = list(outputs).index(self.output), outputs[self.output]
        if outputs.dtype.kind in "iu" and any(result.level.output_quantization[place:][:1]):
            outputs = dequantize(outputs, result.level.output_quantization[place])
        if outputs.ndim != 2 or outputs.shape[-1] < 2 or outputs.dtype.kind != "f":
            raise ValueError(
                "Invalid output for Escalate. Expected the scores of a classifier, floats or "
                "quantized, of shape (batch, classes), to tell how sure it is. Received: "
                f"{outputs.dtype} of shape {('batch', *outputs.shape[1:])}"
            )
        return outputs

    def _of_classes(self, thresholds: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if len(thresholds) != scores.shape[-1]:
            raise ValueError(
                "Invalid value for `thresholds`. Expected one for each of the "
                f"{scores.shape[-1]} classes. Received: {len(thresholds)}"
            )
        return thresholds


@dataclass(frozen=True)
class _Rung:
    """What follows an answer of a level that is not the last.

    Args:
        place: Of its threshold.
        next: The utilization of the next one.
        alone: The choice for one sample that goes on.
    """

    place: int
    next: float
    alone: Choice


@dataclass(frozen=True)
class _Ladder:
    """All that is known of the climb before a call.

    Args:
        levels: Those of the bundle, for which it holds.
        first: The first choice.
        rungs: By the utilization of their level; none for the last one.
    """

    levels: Sequence[KnownLevel]
    first: Choice
    rungs: dict[float, _Rung]

    @classmethod
    def of(cls, levels: Sequence[KnownLevel], climbed: Sequence[float]) -> _Ladder:
        first = Choice(climbed[0], f"u={climbed[0]:g} first, higher where it is not sure")
        rungs = {
            low: _Rung(place, high, Choice(high, f"u={low:g} was not sure of 1 of 1"))
            for place, (low, high) in enumerate(zip(climbed, climbed[1:], strict=False))
        }
        return cls(levels, first, rungs)


def _checked_thresholds(thresholds: Sequence) -> np.ndarray:
    try:
        array = np.asarray(thresholds, "float64")
    except (TypeError, ValueError):  # of lists of several lengths, of text
        array = np.array(np.nan)
    if array.ndim not in (1, 2) or not ((array >= 0.0) & (array <= 1.0)).all():  # NaN fails
        raise ValueError(
            "Invalid value for `thresholds`. Expected numbers in [0, 1], one for each level but "
            "the last, or for each of them a list with one for each class. "
            f"Received: thresholds={thresholds!r}"
        )
    return array


def _checked_levels(levels: Sequence[float]) -> tuple[float, ...]:
    values = tuple(check_utilization(level) for level in levels)
    if not values or any(high <= low for low, high in zip(values, values[1:], strict=False)):
        raise ValueError(
            f"Invalid value for `levels`. Expected utilizations that rise. Received: {levels!r}"
        )
    return values
