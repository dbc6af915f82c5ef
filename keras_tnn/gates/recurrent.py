"""Recurrent gates: one cell walks over the blocks of a network and remembers what it decided."""

import keras
from keras import layers, ops

from keras_tnn.gates.estimators import Soft
from keras_tnn.gates.learned import LearnedGate
from keras_tnn.quantities import check_count

POOLING = {
    1: layers.GlobalAveragePooling1D,
    2: layers.GlobalAveragePooling2D,
    3: layers.GlobalAveragePooling3D,
}


@keras.saving.register_keras_serializable(package="keras_tnn")
class Recurrent(LearnedGate):
    """The layer gate of MGL2S: an LSTM of 10 units that all blocks share (wang2019, III-A, IV-A).

    It is called once for each block, from input to output, and hands the state of its LSTM on:

        h_i, c_i = LSTM(W_i mean(F_i-1), (h_i-1, c_i-1)),   p_i = sigmoid(w h_i + b)

    As blocks differ in channels, the mean over positions and the 1x1 convolution W_i stand in
    front of the gate, as layers of the model: `front` makes them, `throttle` and the networks of
    `keras_tnn.models` call it. They cost, train, freeze and ship with the gate. A step of the LSTM
    is a few plain products, so it ships wherever dense layers do.

    Args:
        num_groups: Integer, what each call decides on: 1 for a block.
        min_groups: Integer, how many groups, the first ones, are always open.
        units: Integer, of the LSTM and of the 1x1 convolutions; 10 in the paper.
        estimator: `keras_tnn.gates.Estimator`; defaults to `Soft()`, the paper's.
        open_probability: float in (0, 1), about which p is before training.
        always_open: Optional list of group numbers, in place of `min_groups`.

    Call arguments:
        utilization: float tensor of shape `()` or `(batch,)`, which is not read.
        features: float tensor `(batch, ..., channels)`, of as many channels at each call; the mean
            over the positions between is read.
        state: what the call for the block before returned; None for the first block.
        training: boolean.

    Output shape:
        `(batch, num_groups)`; and the state, two tensors `(batch, units)`, h and c.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> gate = Recurrent(open_probability=0.9)
    >>> first, state = gate(1.0, features=np.ones((2, 10), "float32"))
    >>> second, state = gate(1.0, features=np.zeros((2, 10), "float32"), state=state)
    >>> second.numpy().tolist(), [x.shape for x in state]
    ([[1.0], [1.0]], [TensorShape([2, 10]), TensorShape([2, 10])])
    """

    reads = ("features", "state")
    shared = True

    def __init__(
        self,
        num_groups=1,
        min_groups=0,
        units=10,
        estimator=None,
        open_probability=0.9,
        always_open=None,
        **kwargs,
    ):
        estimator = Soft() if estimator is None else estimator
        super().__init__(num_groups, min_groups, estimator, open_probability, always_open, **kwargs)
        self.check_decides()
        self.units = check_count(units, "units")
        self.cell = layers.LSTMCell(units, dtype="float32", name="cell")
        self.output_logits = self.opening_logits()

    def front(self, features, name):
        rank = len(features.shape) - 2
        if rank:
            features = POOLING[rank](dtype="float32", name=f"{name}_pool")(features)
        return layers.Dense(self.units, dtype="float32", name=f"{name}_features")(features)

    def build(self, utilization_shape, features_shape, state_shape=None):
        self.cell.build((None, features_shape[-1]))
        self.output_logits.build((None, self.units))
        self.built = True

    def logits(self, utilization, features, state=None, training=None):
        x = ops.cast(features, "float32")
        if len(x.shape) > 2:
            x = ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))  # (batch, channels)
        if state is None:
            state = self.cell.get_initial_state(ops.shape(x)[0])
        h, state = self.cell(x, list(state))
        return self.output_logits(h), tuple(state)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
