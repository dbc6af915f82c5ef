"""Numbers that training turns from outside a compiled step."""

import keras


class Dial(keras.random.SeedGenerator):
    """A few floats that are variables of the model, but not weights of it.

    Keras hands the state of a `SeedGenerator` through the compiled step of every backend without
    counting it among the weights: what a schedule needs to move a bound between two epochs
    without tracing the step again.

    Args:
        values: list of floats to start with.

    Attributes:
        values: the floats, also while a backend keeps the variables of a model to itself.
    """

    def __init__(self, values: list[float], **kwargs):
        super().__init__(seed=0, **kwargs)
        self.values = list(values)
        self.state = keras.Variable(
            values, trainable=False, dtype="float32", autocast=False, name="dial"
        )

    def turn(self, values: list[float]):
        """Sets the floats."""
        self.values = list(values)
        self.state.assign(values)
