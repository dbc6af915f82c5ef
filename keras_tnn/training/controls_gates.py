"""A model's gates: which it has, how they decide, and what of it is frozen."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from keras_tnn.gates import DataDependent, Ensemble, Gate, LearnedGate
from keras_tnn.gates.inference import check_gating, deciding
from keras_tnn.surgery import gate_calls, layers_of_gates, read_graph
from keras_tnn.surgery.gate_calls import each_once
from keras_tnn.surgery.leaf_layers import leaf_layers
from keras_tnn.training.feeding import is_arrays
from keras_tnn.training.float_gates import warn_of_float, without_gates
from keras_tnn.training.gate_activity import GateActivity


class ControlsGates(keras.Model):
    """The part of a `ThrottledModel` that knows its gates."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ensemble_runs = 1
        graph = read_graph(self)
        self.gate_calls = tuple(gate_calls(graph))
        # Held as a list of layers, they would be saved a second time.
        self.front_ids = frozenset(map(id, layers_of_gates(graph)))
        learned = [one for one in self.gate_calls if isinstance(one.gate, LearnedGate)]
        free = {one.key: one.gate.free for one in learned}
        self.activity = GateActivity(free) if free else None

    @property
    def gates(self) -> list[Gate]:
        """The gates that the model obeys, as `keras_tnn.surgery.gates_of` finds them."""
        return each_once(self.gate_calls)

    @property
    def learned_gates(self) -> list[LearnedGate]:
        """Those of the model's gates that are learned."""
        return [gate for gate in self.gates if isinstance(gate, LearnedGate)]

    @property
    def gate_fronts(self) -> list[keras.layers.Layer]:
        """The layers in front of gates, which serve them alone."""
        return [layer for layer in leaf_layers(self) if id(layer) in self.front_ids]

    @property
    def gate_weights(self) -> list[keras.Variable]:
        """The weights of learned gates and of the layers in front of gates."""
        owners = (*self.learned_gates, *self.gate_fronts)
        return [weight for one in owners for weight in one.weights]

    def freeze_data_path(self, frozen: bool = True):
        """Stops, or resumes, the training of all that is not a gate; compile the model after it.

        The second of two phases: the data path, trained with random utilization, stays fixed
        while gates are learned (hostetler2019, 4.2; liu2022, 3.2.6). From a network of the first
        phase, `throttle(materialize(model, 1.0), gate=...)` makes one with gates to learn.
        """
        gates = {id(weight) for weight in self.gate_weights}
        for layer in leaf_layers(self):
            if isinstance(layer, LearnedGate) or id(layer) in self.front_ids:
                continue
            if not any(id(weight) in gates for weight in layer.weights):
                layer.trainable = not frozen
                continue
            for weight in layer.weights:  # a layer that holds the gate that it obeys
                if id(weight) not in gates:
                    weight.trainable = not frozen

    def freeze_gates(self, frozen: bool = True):
        """Stops, or resumes, the training of learned gates; compile the model after it.

        Frozen gates decide in training as at inference, p > 0.5, without drawing. So the network
        can settle on what they have learned. What data-dependent gates read goes on changing, so
        their activation rate may move.
        """
        for layer in (*self.learned_gates, *self.gate_fronts):
            layer.trainable = not frozen

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """The utilizations in (0, 1) at which some gate opens one more group, rising.

        A gate of D groups opens its k-th at u = k / (D + 1). Between two breakpoints the network
        does not change.
        """
        sizes = {gate.num_groups for gate in self.gates}
        return tuple(sorted({k / (size + 1) for size in sizes for k in range(1, size + 1)}))

    @contextmanager
    def gating(self, gating) -> Iterator[None]:
        """Within it, learned gates decide at inference as `gating` says (herrmann2019, 3.3).

        Args:
            gating: float, the threshold tau, or `Threshold`, `Stochastic`, `AlwaysOn` or
                `Ensemble` of `keras_tnn.gates`. None changes nothing.

        Raises:
            ValueError: if `gating` is none of these, or the model has no learned gate.
        """
        if gating is None:
            yield
            return
        gating = check_gating(gating)
        if not self.learned_gates:
            raise ValueError(
                f"Invalid value for `gating`. Model '{self.name}' has no learned gate: "
                f"utilization alone decides. Received: gating={gating!r}"
            )
        self.set_ensemble_runs(gating.runs if isinstance(gating, Ensemble) else 1)
        try:
            with deciding(self.learned_gates, gating):
                yield
        finally:
            self.set_ensemble_runs(1)

    def set_ensemble_runs(self, runs: int):
        if runs != self.ensemble_runs:
            self.ensemble_runs = runs
            self.test_function = self.predict_function = None

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """As `keras.Model.quantize`; gates stay float32."""
        warn_of_float(self)
        super().quantize(mode, config, without_gates(self, filters), **kwargs)

    def check_batches(self, x, batch_size: int | None):
        """Raises ValueError if arrays leave a data-dependent gate a training batch of one."""
        normalizing = any(isinstance(g, DataDependent) and g.trainable for g in self.learned_gates)
        if not normalizing or not is_arrays(x):
            return
        samples, size = len(keras.tree.flatten(self.split(x)[0])[0]), batch_size or 32
        if size == 1 or samples % size == 1:
            raise ValueError(
                "Invalid value for `batch_size`. Data-dependent gates normalise over the batch, so "
                f"each needs 2 samples or more. Received: batch_size={size} for {samples} samples, "
                "which leaves a batch of one"
            )


def check_learned_gates(model: keras.Model, wanted: str):
    """Raises ValueError, which starts with what was `wanted`, if a model has no learned gates."""
    if not getattr(model, "learned_gates", []):
        raise ValueError(
            f"{wanted} a keras_tnn.ThrottledModel with learned gates, such as "
            "keras_tnn.throttle(model, gate=keras_tnn.gates.DataIndependent). "
            f"Received: '{model.name}', a {type(model).__name__}"
        )
