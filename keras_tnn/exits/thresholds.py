"""Stopping at the first exit that is sure of its answer."""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_tnn.losses.class_probabilities import check_measure

GATE = "gate"  # the measure of learned exit gates


@dataclass(frozen=True)
class ExitThresholds:
    """Which exits are asked, and how sure each must be of its answer to keep it.

    An exit keeps its answer if it is at least as sure as its threshold says. Exits without a
    threshold are passed by, and their heads are not computed. The last one keeps every answer.
    `keras_tnn.analysis.exit_thresholds` finds them for a mean budget.

    Args:
        thresholds: dict from names of early exits to floats in [0, 1].
        measure: of how sure an exit is: "probability", that of its answer; "margin", by how much
            that is above the next class; or "gate", what the exit's learned gate says.

    Raises:
        ValueError: if there is no threshold, one is not in [0, 1], or `measure` is unknown.

    Example:

    >>> sure = np.array([0.9, 0.6]), np.array([0.5, 0.7])  # of two samples, at two exits
    >>> ExitThresholds({"exit1": 0.8}).first_sure(("exit1", "classes"), sure).tolist()
    [0, 1]
    """

    thresholds: Mapping[str, float]
    measure: str = "probability"

    def __post_init__(self):
        if self.measure != GATE:
            check_measure(self.measure)
        given = dict(self.thresholds) if isinstance(self.thresholds, Mapping) else {}
        if not given or not all(is_share(one) for one in given.values()):
            raise ValueError(
                "Invalid value for `thresholds`. Expected a dict from names of early exits to "
                f"floats in [0, 1]. Received: thresholds={self.thresholds}"
            )
        object.__setattr__(self, "thresholds", given)

    def first_sure(self, exit_names, certainties) -> np.ndarray:
        """The number of the exit whose answer each sample keeps, integers `(n,)`.

        Args:
            exit_names: of the model, in order of depth.
            certainties: how sure each exit is, by `measure`: for each an array `(n,)`. That of
                the last one is not looked at.

        Raises:
            ValueError: if a threshold is for something that is no early exit.
        """
        taken = np.full(len(certainties[0]), len(exit_names) - 1)
        for number in reversed(self.asked(exit_names)):
            taken[certainties[number] >= self.thresholds[exit_names[number]]] = number
        return taken

    def asked(self, exit_names) -> list[int]:
        """The numbers of the early exits that are asked, rising.

        Raises:
            ValueError: if a threshold is for something that is no early exit.
        """
        if unknown := [name for name in self.thresholds if name not in exit_names[:-1]]:
            raise ValueError(
                f"Invalid value for `thresholds`. Expected names among {list(exit_names[:-1])}, "
                f"the early exits. Received: {unknown}"
            )
        return sorted(exit_names.index(name) for name in self.thresholds)

    def costs(self, exit_names, exits: Mapping, heads: Mapping) -> np.ndarray:
        """The cost of a sample that stops at each exit, floats `(exits,)`.

        That is the way there, the exit's own head and the heads of those asked before.

        Args:
            exit_names: of the model.
            exits: by exit, the cost of the way there and of its own head.
            heads: by exit, that of its head alone.
        """
        asked = self.asked(exit_names)
        return np.array(
            [
                exits[name] + sum(heads[exit_names[one]] for one in asked if one < number)
                for number, name in enumerate(exit_names)
            ],
            float,
        )


def is_share(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= value <= 1
