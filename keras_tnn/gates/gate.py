"""The gate: a function (x, u) -> g in {0, 1}^D that says which groups of a block run."""

import numbers

import keras
import numpy as np
from keras import ops

from keras_tnn.gates.decision import leave_decision
from keras_tnn.gates.inference import check_threshold
from keras_tnn.quantities import check_count
from keras_tnn.utilization import check_utilization

READABLE = ("utilization", "features", "image", "state")


class Gate(keras.layers.Layer):
    """Base class of all gates: maps what it reads to open groups.

    A gate is a layer of its own, so that a throttleable layer can take it as an argument
    (`gate=`), several layers can share one, and a gate with weights trains like any layer. Called
    inside a functional model it becomes a node whose output, of shape `(batch, num_groups)`,
    throttleable layers accept in place of utilization.

    A subclass writes `open_groups`, and says in `reads` what it looks at.

    Args:
        num_groups: Integer, the cardinality D: how many groups the gate opens and closes.
        min_groups: Integer in [0, num_groups], how many groups stay open at any utilization.
        normalize: Boolean. If true, the gate is divided by the number of open groups
            (hostetler2019, Eq. 3), so that a sum of groups keeps its scale.

    Call arguments:
        utilization: float tensor of shape `()` or `(batch,)`, values in (0, 1].
        features: tensor in front of the groups, batch first.
        image: what the model reads: its input, or a list of its inputs, without utilization.
        state: what the gate before this one handed on; None for the first gate.
        training: boolean, whether the gate may be random.
        threshold: float in (0, 1), above which probability a learned gate opens a group at
            inference. By default as its dial says.

        What the gate does not read is not looked at.

    Output shape:
        `(batch, num_groups)`, or `(1, num_groups)` for a scalar utilization; and the state for
        the gate after this one, where the gate reads a state.

    Raises:
        ValueError: if `num_groups` is not a positive integer or `min_groups` is out of range; if
            the gate is called without something that it reads.
    """

    # What decides, out of READABLE. A gate that reads "state" also returns one: `open_groups`
    # then returns a pair. `throttle` hands a gate what stands here, and nothing else.
    reads = ("utilization",)
    # Whether one gate decides for the groups of all layers at once.
    whole_network = False
    # Whether one gate, called once for each place in running order, decides for all of them.
    shared = False
    # Whether features must have positions, (batch, ..., channels); `throttle` leaves others whole.
    needs_positions = False

    def __init__(self, num_groups, min_groups=0, normalize=False, **kwargs):
        # Half precision would round u across a step of d = floor(u (D + 1)).
        super().__init__(autocast=False, **kwargs)
        self.num_groups = check_count(num_groups, "num_groups")
        if not isinstance(min_groups, int) or not 0 <= min_groups <= num_groups:
            raise ValueError(
                f"Invalid value for `min_groups`. Expected an integer in [0, {num_groups}]. "
                f"Received: min_groups={min_groups!r}"
            )
        if not set(self.reads) <= set(READABLE):
            raise ValueError(
                f"Invalid value for `reads` of {type(self).__name__}. Expected names among "
                f"{READABLE}. Received: reads={self.reads!r}"
            )
        self.min_groups = min_groups
        self.normalize = normalize

    @property
    def data_dependent(self) -> bool:
        """Whether samples decide for themselves, so that the gate has no fixed pattern."""
        return not {"features", "image"}.isdisjoint(self.reads)

    @property
    def free(self) -> list[int]:
        """The numbers of the groups that the gate decides on."""
        return list(range(self.num_groups))

    def __call__(self, utilization, features=None, image=None, state=None, **kwargs):
        given = {"features": features, "image": image, "state": state}
        read = {name: value for name, value in given.items() if name in self.reads}
        missing = [name for name, value in read.items() if value is None and name != "state"]
        if missing:
            raise ValueError(
                f"Gate '{self.name}' depends on data: it decides for each sample and has no "
                f"fixed pattern. Expected the call argument `{missing[0]}`. "
                f"Received: {missing[0]}=None"
            )
        if isinstance(utilization, numbers.Number):  # Keras takes tensors only
            utilization = check_utilization(utilization)
        read = {name: value for name, value in read.items() if value is not None}
        return super().__call__(utilization, **read, **kwargs)

    def build(self, utilization_shape, features_shape=None, image_shape=None, state_shape=None):
        self.built = True

    def front(self, features, name: str):
        """What the gate is handed for some features of a model: by default these.

        A gate that decides for places of different shapes makes layers of the model here, that
        bring them to one shape. They belong to the gate: see `keras_tnn.surgery.layers_of_gates`.

        Args:
            features: tensor of the model that the gate shall read.
            name: with which the names of such layers start.
        """
        return features

    def build_for(self, utilization_shape, **shapes):
        """Builds the gate, if it is not, for the shapes among `shapes` that it reads."""
        if not self.built:
            read = {f"{name}_shape": shapes[name] for name in shapes if name in self.reads}
            self.build(utilization_shape, **read)

    def count(self, utilization):
        """Number of open groups, d = min(D, floor(u (D + 1))) (liu2022, section 3.2.3).

        At u = k / D that is exactly k groups.

        Args:
            utilization: float tensor of any shape.

        Returns:
            Float tensor of the same shape, whole numbers in [min_groups, num_groups].
        """
        utilization = ops.cast(utilization, "float32")
        count = ops.floor(utilization * (self.num_groups + 1))
        return ops.clip(count, self.min_groups, self.num_groups)

    def open_groups(self, utilization, training=None, **read):
        """Which groups are open: float tensor `(batch, num_groups)` of zeros and ones.

        Args:
            utilization: float tensor `(batch or 1,)`; a row a sample where the gate reads data.
            training: boolean, whether the gate may be random.
            **read: `features`, `image` and `state`, those that the gate reads.

        Returns:
            The tensor; or, for a gate that reads a state, the tensor and the next gate's state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `open_groups`.")

    def choose(self, utilization, training=None, threshold=None, **read):
        """Values and probabilities, float tensors `(batch or 1, num_groups)`, and the state."""
        values, state = self.parted(self.open_groups(utilization, training=training, **read))
        values = ops.cast(values, "float32")
        return values, values, state

    def parted(self, result):
        """What a subclass returns as a pair: for a gate without a state the second is None."""
        return result if "state" in self.reads else (result, None)

    def call(
        self, utilization, features=None, image=None, state=None, training=None, threshold=None
    ):
        utilization = ops.reshape(utilization, (-1,))
        given = {"features": features, "image": image, "state": state}
        read = {name: given[name] for name in self.reads if name in given}
        if self.data_dependent:  # one row a sample, also where u is one number for all
            rows = keras.tree.flatten([read.get("features"), read.get("image")])
            batch = ops.shape(next(x for x in rows if x is not None))[0]
            utilization = ops.broadcast_to(utilization, (batch,))
        gates, probabilities, state = self.choose(utilization, training, threshold, **read)
        leave_decision(self, gates, probabilities, state)
        if self.normalize:
            gates = gates / ops.maximum(ops.sum(gates, axis=-1, keepdims=True), 1.0)
        gates = ops.cast(gates, self.compute_dtype)
        return (gates, state) if "state" in self.reads else gates

    def pattern(self, utilization: float, threshold: float | None = None) -> np.ndarray:
        """The gate's values at one fixed utilization, as inference uses them.

        Args:
            utilization: float in (0, 1].
            threshold: float in (0, 1): groups of a learned gate are open where p is above it. By
                default as the gate decides at inference.

        Returns:
            Float array of shape `(num_groups,)`; zero means closed.

        Raises:
            ValueError: if an argument is out of range, or the gate reads data.
        """
        utilization = check_utilization(utilization).reshape(1)
        threshold = None if threshold is None else check_threshold(threshold)
        gates = keras.tree.flatten(self(utilization, training=False, threshold=threshold))[0]
        return ops.convert_to_numpy(ops.cast(gates, "float32"))[0]

    def compute_output_spec(self, utilization, features=None, image=None, state=None, **kwargs):
        if "state" in self.reads:  # what a subclass hands on has any form
            return super().compute_output_spec(utilization, features, image, state, **kwargs)
        given = {"features": features, "image": image, "utilization": utilization}
        rows = next(given[name] for name in given if name in (*self.reads, "utilization"))
        shape = keras.tree.flatten(rows)[0].shape
        batch = shape[0] if len(shape) else 1
        return keras.KerasTensor((batch, self.num_groups), dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "min_groups": self.min_groups,
            "normalize": self.normalize,
        }
