"""Inference that also gives what gates decided, in the same pass."""

from collections.abc import Callable

import keras

from keras_tnn.gates import record_decisions


class WithDecisions(keras.Model):
    """A model's outputs, as a list, and behind them what is read from the decisions of the pass.

    Args:
        model: a `ThrottledModel`, at the utilization that it is turned to.
        read: from the decisions of a pass, as `record_decisions` collects them, a float tensor
            `(batch, columns)`.
    """

    def __init__(self, model: keras.Model, read: Callable):
        super().__init__(name=f"{model.name}_with_decisions")
        self.model, self.read = model, read
        self.built = True

    def call(self, inputs):
        with record_decisions() as decisions:
            outputs = self.model(inputs, training=False)
        return [*keras.tree.flatten(outputs), self.read(decisions)]
