"""A model's training steps: what a regime chooses for each, compiled when it first occurs."""

import keras

from keras_tnn.training.gate_objective import Objective
from keras_tnn.training.keras_file import check_keras_file
from keras_tnn.training.regimes import PerSample, Regime
from keras_tnn.training.step import CHOSEN, Step, StepOfChoice, open_step


class ChoosesSteps(keras.Model):
    """The part of a `ThrottledModel` that says what a training step computes."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._regime = PerSample()
        self._objective = None

    def save(self, filepath, *args, **kwargs):
        """As `keras.Model.save`; an HDF5 file, which could not be loaded again, is an error."""
        check_keras_file(filepath)
        return super().save(filepath, *args, **kwargs)

    @property
    def regime(self) -> Regime:
        """How training chooses utilization when it is not given."""
        return self._regime

    @regime.setter
    def regime(self, regime: Regime):
        regime.prepare(self)
        self._regime = regime
        self.compile_steps_anew()

    @property
    def objective(self) -> Objective | None:
        """What the gates learn besides the task."""
        return self._objective

    @objective.setter
    def objective(self, objective: Objective | None):
        self._objective = objective
        self.test_function = None  # it has the metrics of the old one
        self.compile_steps_anew()

    @property
    def metrics(self):
        """As of `keras.Model`, with those of what the gates learn."""
        return [*super().metrics, *(self._objective.metrics if self._objective else ())]

    def compile_steps_anew(self):
        """The next training step is compiled with what it computes now."""
        self.train_function = None
        if self.compiled:
            self.make_train_function()

    def make_train_function(self, force=False):
        """As Keras makes it, one for each choice of levels that the regime makes."""
        if self.train_function is not None and not force:
            return
        if self.objective:
            self.objective.ready(self)

        def compiled(levels):
            self.ready(levels)
            return self.compiled_function("train", super(ChoosesSteps, self).make_train_function)

        self.train_function = StepOfChoice(self.regime.choose, compiled)

    def ready(self, levels: tuple[float, ...]):
        """Called before a training step at these levels is compiled."""
        self.regime.ready(levels)

    def make_test_function(self, force=False):
        """As Keras makes it, one for the whole network and one for all other levels."""
        if self.test_function is None or force:
            make = super().make_test_function
            self.test_function = StepOfChoice(
                self.constant_level, lambda _: self.compiled_function("test", make)
            )

    def make_predict_function(self, force=False):
        """As Keras makes it, one for the whole network and one for all other levels."""
        if self.predict_function is None or force:
            make = super().make_predict_function
            self.predict_function = StepOfChoice(
                self.constant_level, lambda _: self.compiled_function("predict", make)
            )

    def compiled_function(self, kind: str, make):
        """What Keras makes of a step, from a function of its own, by which JAX knows it again."""
        step, function = f"{kind}_step", f"{kind}_function"
        kept = getattr(self, function)

        def own(*args):
            return getattr(type(self), step)(self, *args)

        setattr(self, step, own)
        try:
            make(force=True)
            return getattr(self, function)
        finally:
            delattr(self, step)
            setattr(self, function, kept)

    def train_step(self, *args):
        levels = CHOSEN.get()
        with open_step(self.own_step().levels if levels is None else levels):
            return super().train_step(*args)

    def test_step(self, *args):
        with open_step(()):
            return super().test_step(*args)

    def own_step(self) -> Step:
        """A step outside `train_step`, as in a training loop of the user's own."""
        if self.regime.choose():
            raise ValueError(
                f"{type(self.regime).__name__} chooses the levels of a step before it is compiled. "
                "Expected `fit` or `train_on_batch`. In a training loop of your own give "
                "utilization as an input, or draw it per sample."
            )
        return Step(())
