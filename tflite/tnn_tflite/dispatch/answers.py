"""The samples of one call: each runs at its level, and goes on while the policy asks for more."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.dispatch.pattern import Pattern
from tnn_tflite.dispatch.per_sample import SEVERAL, samples_by_level
from tnn_tflite.dispatch.result import Result
from tnn_tflite.policies.policy import Choice, KnownLevel, Policy
from tnn_tflite.utilization import check_utilization

if TYPE_CHECKING:
    from tnn_tflite.dispatch.network import Network

# The index of a level, and the places in the batch of the samples that it runs.
Group = tuple[int, np.ndarray | slice]

ALL = slice(None)  # unlike an array of all places it copies nothing


class Answers:
    """The answers of one call, and what ran for them.

    Args:
        network: Runs the samples.
        inputs: An array of shape `(batch, *spec.shape)` for each input, checked.
        found: Answers that are there already, an array for each output; they are written over.
    """

    def __init__(
        self,
        network: Network,
        inputs: Sequence[np.ndarray],
        found: Sequence[np.ndarray] | None = None,
    ) -> None:
        self._network = network
        self._bundle = network.bundle
        self._inputs = inputs
        self._found = found
        self.samples = len(inputs[0])
        self.runs: list[tuple[int, int]] = []  # index of a level, number of samples
        self._answered: list[Group] = []  # as `runs`, in the same order
        self._is_shown = False  # whether a policy holds the arrays of answers
        self.is_warm = True

    @property
    def outputs(self) -> list[np.ndarray]:
        """An array of shape `(batch, *spec.shape)` for each output."""
        if self._found is None:
            specs = self._bundle.outputs
            self._found = [np.empty((self.samples, *spec.shape), spec.dtype) for spec in specs]
        return self._found

    def run(self, groups: Iterable[Group]) -> None:
        """Runs some samples at levels of their own."""
        for index, places in groups:
            self._run(index, places)

    def follow(self, policy: Policy, levels: Sequence[KnownLevel], choice: Choice) -> list[str]:
        """Runs what a policy chose, and what it chooses next when it sees what came out.

        Args:
            policy: Goes on or not.
            levels: What it knows of the levels.
            choice: What it chose first.

        Returns:
            The reasons of all its choices.
        """
        groups = self._groups(choice.utilization, self.samples, choice.exit)
        reasons = [choice.reason]
        if type(policy).go_on is Policy.go_on:  # as most: nobody looks at what each group gives
            self.run(groups)
            return reasons
        while groups:
            following: list[Group] = []
            for index, places in groups:
                more = policy.go_on(levels, self._seen(levels, index, places))
                if more is not None:
                    reasons.append(more.reason)
                    following += self._higher(index, places, more)
            groups = following
        return reasons

    @property
    def by(self) -> np.ndarray:
        """Index of the level that answered each sample, shape `(batch,)`."""
        by = np.zeros(self.samples, int)
        for index, places in self._answered:
            by[places] = index
        return by

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """For each sample what a budget policy opened; empty where there is none."""
        return ()

    @property
    def highest(self) -> int:
        """Index of the highest level that answered; for an empty batch, that would have."""
        return int(self.by.max()) if self.samples else max(dict(self.runs), default=0)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of all runs."""
        return sum(self._macs(index) * samples for index, samples in self.runs)

    def _macs(self, index: int) -> int:
        return self._bundle.points[index].macs

    def expected_milliseconds(self, levels: Sequence[KnownLevel]) -> float | None:
        """What the table has for one sample, on average; None where nobody has measured."""
        if levels[0].milliseconds is None:
            return None
        shares = ((index, samples / max(1, self.samples)) for index, samples in self.runs)
        return sum(share * self._milliseconds(levels, index) for index, share in shares)

    def _milliseconds(self, levels: Sequence[KnownLevel], index: int) -> float:
        return levels[index].milliseconds

    def _run(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        outputs, was_warm = self._run_group(index, places)
        self._keep(index, places, outputs)
        self.is_warm &= was_warm
        self.runs.append((index, len(outputs[0])))
        return outputs, was_warm

    def _keep(self, index: int, places: np.ndarray | slice, outputs: list[np.ndarray]) -> None:
        """Takes what a level gave for the answers of some samples."""
        if places is ALL:
            self._found = outputs
        else:
            if self._is_shown:  # what a policy saw stays as it is
                self._found, self._is_shown = [answer.copy() for answer in self._found], False
            for answers, new in zip(self.outputs, outputs, strict=True):
                answers[places] = new
        self._answered.append((index, places))

    def _run_group(self, index: int, places: np.ndarray | slice) -> tuple[list[np.ndarray], bool]:
        inputs = self._inputs if places is ALL else [x[places] for x in self._inputs]
        return self._network.pools[index].run_and_tell(inputs)

    def _seen(self, levels: Sequence[KnownLevel], index: int, places: np.ndarray | slice) -> Result:
        """Runs a group, and returns it as the policy sees it."""
        start = time.perf_counter()
        outputs, was_warm = self._run(index, places)
        self._is_shown |= places is ALL  # else the policy has arrays of its own
        return Result(
            in_form(self._bundle, outputs, batched=True),
            self._bundle.points[index],
            1000 * (time.perf_counter() - start),
            "",
            len(outputs[0]),
            was_warm,
            levels[index].milliseconds,
        )

    def _groups(
        self,
        utilization: float | Sequence[float] | np.ndarray,
        size: int,
        exit: str | None = None,
    ) -> list[Group]:
        answered = self._found is not None
        if size == 1 and isinstance(utilization, SEVERAL) and len(utilization) == 1:
            (utilization,) = utilization  # most calls have one sample, and this is shorter
            if answered and utilization == 0.0:
                return []
        if not isinstance(utilization, SEVERAL):
            return [(self._network.index(check_utilization(utilization), exit), ALL)]
        groups = samples_by_level(self._network.utilizations, utilization, size, answered)
        return [(index, ALL if len(places) == size else places) for index, places in groups]

    def _higher(self, index: int, places: np.ndarray | slice, choice: Choice) -> list[Group]:
        """The groups of those samples of a group that go on."""
        size = self.samples if places is ALL else len(places)
        groups = self._groups(choice.utilization, size, choice.exit)
        for higher, _ in groups:
            if higher <= index:
                raise ValueError(
                    "Invalid value for `utilization`. Expected a policy that goes on from "
                    f"{self._bundle.points[index].title} to go to a higher level, or 0 to keep the "
                    f"answer. Received: {self._bundle.points[higher].title}"
                )
        if places is ALL:
            return groups
        return [(higher, places if part is ALL else places[part]) for higher, part in groups]


def in_form(
    bundle: Bundle, outputs: Sequence[np.ndarray], batched: bool
) -> np.ndarray | dict[str, np.ndarray]:
    """Returns outputs as the dispatcher returns them: an array, or several by name."""
    if not batched:
        outputs = [output.reshape(output.shape[1:]) for output in outputs]
    if len(outputs) == 1:
        return outputs[0]
    return {spec.name: out for spec, out in zip(bundle.outputs, outputs, strict=True)}
