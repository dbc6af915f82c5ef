"""The cheapest level that is accurate enough."""

from collections.abc import Mapping, Sequence

from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy

COSTS = {"joules": "J", "milliseconds": "ms", "macs": "MACs"}  # the first that all levels have


class AccuracyFloor(Policy):
    """The level of least cost among those whose accuracy is not below a floor.

    Cost is measured energy where the table has it for every level, else measured latency, else
    MACs. If no level reaches the floor the most accurate one runs, and the reason says so.

    Args:
        floor: The accuracy that is needed, in [0, 1].
        accuracies: Accuracy of each level by its utilization, for example from
            `keras_tnn.evaluate_levels`. None takes what `keras-tnn calibrate --labelled` stored.

    Example:

    >>> low = tnn_tflite.policies.KnownLevel(0.5, macs=10, parameters=4, bytes=900)
    >>> high = tnn_tflite.policies.KnownLevel(1.0, macs=40, parameters=16, bytes=2500)
    >>> policy = tnn_tflite.policies.AccuracyFloor(0.8, {0.5: 0.85, 1.0: 0.9})
    >>> policy.choose((low, high), {}).reason
    'u=0.5 has accuracy 0.8500, at least 0.8000, at the least cost, 10 MACs'
    """

    def __init__(self, floor: float, accuracies: Mapping[float, float] | None = None) -> None:
        if not 0.0 <= floor <= 1.0:
            raise ValueError(
                "Invalid value for `floor`. Expected an accuracy in [0, 1]. "
                f"Received: floor={floor!r}"
            )
        self.floor = floor
        self._accuracies = None if accuracies is None else dict(accuracies)

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        accuracies = [self._accuracy(level) for level in levels]
        enough = [i for i, accuracy in enumerate(accuracies) if accuracy >= self.floor]
        if not enough:
            index = max(range(len(levels)), key=accuracies.__getitem__)
            best = f"u={levels[index].utilization:g} has the highest, {accuracies[index]:.4f}"
            return Choice(
                levels[index].utilization, f"no level has accuracy {self.floor:.4f}: {best}"
            )
        name = next(cost for cost in COSTS if all(getattr(v, cost) is not None for v in levels))
        index = min(enough, key=lambda i: getattr(levels[i], name))
        return Choice(
            levels[index].utilization,
            f"u={levels[index].utilization:g} has accuracy {accuracies[index]:.4f}, at least "
            f"{self.floor:.4f}, at the least cost, {getattr(levels[index], name):g} {COSTS[name]}",
        )

    def _accuracy(self, level: KnownLevel) -> float:
        if self._accuracies is None:
            accuracy = level.accuracy
        else:
            accuracy = self._accuracies.get(level.utilization)
        if accuracy is None:
            raise ValueError(
                "Invalid value for `accuracies`. Expected the accuracy of every level. Received: "
                f"none for u={level.utilization:g}. Give a mapping from each level's utilization "
                "to its accuracy, or store them with `keras-tnn calibrate --labelled`."
            )
        return accuracy
