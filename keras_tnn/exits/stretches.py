"""A model's stretches: for each exit, the way there and its head, as a model of one output."""

import keras

from keras_tnn.training import ThrottledModel
from keras_tnn.utilization import has_dial


class Stretches:
    """Makes the stretch up to each exit when it is first asked for. All share the model's layers.

    Args:
        model: with exits.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.clear()

    def clear(self):
        self.made: dict[int, keras.Model] = {}

    def up_to(self, number: int) -> keras.Model:
        """The model up to an exit; compiled with the exit's loss and metrics, if the whole is."""
        whole = self.model
        if number not in self.made:
            cls = ThrottledModel if has_dial(whole) else keras.Model
            name = f"{whole.name}_{whole.exit_names[number]}"
            made = self.made[number] = cls(whole.input, whole.outputs[number], name=name)
            if whole.compiled:
                made.compile(**whole.measures_at(number))
        if has_dial(whole):
            self.made[number].statistics_level = whole.statistics_level
        return self.made[number]
