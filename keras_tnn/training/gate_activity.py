"""How often learned gates open, as a metric of training and evaluation."""

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import Decision

POLARIZED = 0.05  # a gate is polarized below this rate, or above one minus it


@keras.saving.register_keras_serializable(package="keras_tnn")
class GateActivity(keras.metrics.Metric):
    """Activation rate and polarization of gates, over all samples since the last reset.

    Its result is a dictionary of two floats: "activation_rate", the share of open groups over
    samples and gates (herrmann2019, 1.1), and "polarization", the share of groups whose mean
    probability is above 0.95 or below 0.05 (4.5.3). Groups that are always open do not count.
    While `complexity` is set, such as to a `keras_tnn.losses.MacsShare`, a third one is "share",
    the mean complexity of a sample.

    Args:
        groups: for the key of each call of a gate, the numbers of the groups that it decides on.

    Example:

    >>> gate = keras_tnn.gates.DataIndependent(4, open_probability=0.99, name="pruned")
    >>> activity = GateActivity({"pruned": [0, 1, 2, 3]})
    >>> with keras_tnn.gates.record_decisions() as decisions:
    ...     _ = gate(1.0)
    >>> activity.update_state(decisions)
    >>> {name: float(value) for name, value in activity.result().items()}
    {'activation_rate': 1.0, 'polarization': 1.0}
    """

    def __init__(self, groups: dict[str, list[int]], name="gate_activity", **kwargs):
        super().__init__(name=name, **kwargs)
        self.groups = {gate: list(free) for gate, free in groups.items()}
        size = sum(len(free) for free in self.groups.values())
        self.opened = self.add_weight(shape=(size,), initializer="zeros", name="opened")
        self.expected = self.add_weight(shape=(size,), initializer="zeros", name="expected")
        self.samples = self.add_weight(shape=(), initializer="zeros", name="samples")
        self.spent = self.add_weight(shape=(), initializer="zeros", name="spent")
        self.complexity = None

    def update_state(self, decisions: list[Decision]):
        of_call = {decision.key: decision for decision in decisions}
        found = [(of_call[key], free) for key, free in self.groups.items()]
        values = ops.concatenate([ops.take(one.values, free, -1) for one, free in found], -1)
        expected = [ops.mean(ops.take(one.probabilities, free, -1), axis=0) for one, free in found]
        batch = ops.cast(ops.shape(values)[0], "float32")
        self.opened.assign_add(ops.sum(values, axis=0))
        self.expected.assign_add(batch * ops.concatenate(expected))
        self.samples.assign_add(batch)
        if self.complexity is not None:
            self.spent.assign_add(ops.sum(self.complexity(decisions)))

    def result(self):
        samples = ops.maximum(self.samples, 1.0)
        rates = self.expected / samples
        polarized = ops.logical_or(rates < POLARIZED, rates > 1 - POLARIZED)
        found = {
            "activation_rate": ops.mean(self.opened) / samples,
            "polarization": ops.mean(ops.cast(polarized, "float32")),
        }
        return found if self.complexity is None else {**found, "share": self.spent / samples}

    def rates(self) -> dict[str, np.ndarray]:
        """For the key of each call of a gate, how often each of its free groups was open."""
        rates = ops.convert_to_numpy(self.opened / ops.maximum(self.samples, 1.0))
        ends = np.cumsum([len(free) for free in self.groups.values()])[:-1]
        return dict(zip(self.groups, np.split(rates, ends), strict=True))

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}
