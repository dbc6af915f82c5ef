"""The throttled model: a functional Keras model with utilization as an optional input."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from keras_tnn.gates import record_decisions
from keras_tnn.gates.dial import Dial
from keras_tnn.losses.added import added_losses, adding
from keras_tnn.training.ahead import build_ahead
from keras_tnn.training.chooses_steps import ChoosesSteps
from keras_tnn.training.controls_gates import ControlsGates
from keras_tnn.training.feeding import (
    check_given,
    given_utilization,
    join,
    split,
    with_utilization,
)
from keras_tnn.training.gate_objective import ForwardPass
from keras_tnn.training.statistics import calibrated, warn_of_statistics
from keras_tnn.training.step import Step, current_step
from keras_tnn.utilization import check_utilization


@keras.saving.register_keras_serializable(package="keras_tnn")
class ThrottledModel(ChoosesSteps, ControlsGates):
    """A functional model on its usual inputs and on utilization, which may be left out.

    Where utilization is left out, training draws it (a callback says how; by default uniformly
    from [0, 1] for every sample, hostetler2019, 4.1) and inference takes 1, the whole network.

    A model with learned gates has the metrics "activation_rate" and "polarization" in training and
    evaluation, and `keras_tnn.callbacks.BatchActivation` gives its gates a target.

    Args:
        inputs: list or dict of `keras.Input`, one of them
            `keras.Input((), name="utilization", optional=True)`.
        outputs: as for `keras.Model`.

    Call arguments:
        inputs: as for `keras.Model`, with or without utilization. Utilization is a float or an
            array of shape `()`, for the whole batch, or `(batch,)`, for each sample; values in
            (0, 1].

    Raises:
        ValueError: if no input is named "utilization", or a given utilization is not in (0, 1].

    Example:

    >>> image = keras.Input((8, 8, 3), name="image")
    >>> u = keras.Input((), name="utilization", optional=True)
    >>> x = keras_tnn.layers.ThrottleableConv2D(16, 3, num_groups=4)([image, u])
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = ThrottledModel([image, u], keras.layers.Dense(2)(x))
    >>> images = np.ones((5, 8, 8, 3))
    >>> model.predict(images, utilization=0.5, verbose=0).shape
    (5, 2)
    >>> model([images, [0.1, 0.25, 0.5, 0.75, 1.0]]).shape
    TensorShape([5, 2])
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        super().__init__(inputs, outputs, name=name, **kwargs)
        structure = self.input
        tops = structure.values() if isinstance(structure, dict) else keras.tree.flatten(structure)
        if not any(getattr(x, "name", None) == "utilization" for x in tops):
            raise ValueError(
                "Invalid value for `inputs`. Expected one input named 'utilization': "
                "keras.Input((), name='utilization', optional=True). "
                f"Received: {[x.name for x in self.inputs]}"
            )
        self.input_spec = None  # `call` fills in what the spec would miss
        self.level = Dial([1.0])  # utilization at inference
        self.dial = Dial([0.0, 1.0])  # the range of u in training
        self.target = Dial([1.0, 0.0])  # complexity to learn, batches since it was set
        self.seed_generator = keras.random.SeedGenerator()
        self.statistics_level = None  # the level that batch-norm statistics fit; None: each

    def split(self, inputs) -> tuple[list | dict, object]:
        """Separates inputs into features, as the plain model takes them, and utilization."""
        return split(self.input, inputs)

    def masked(self, features, utilization, training=True, step: Step | None = None):
        """Outputs at the given utilization, `(batch,)`, with closed groups masked."""
        with record_decisions() as decisions:
            outputs = super().call(join(self.input, features, utilization), training=training)
        if step is not None:
            step.passes.append(ForwardPass(utilization, decisions))
        return outputs

    def call(self, inputs, training=None, mask=None):
        # Left to Keras, layers behind an image-preprocessing layer would take up its default, True.
        training = bool(training)
        features, utilization = self.split(inputs)
        step = current_step()
        if utilization is None and training:
            return self.regime.outputs(self, features, step or self.own_step())
        if utilization is None:
            # As a constant, the backend computes nothing for gates that are open anyway.
            utilization = 1.0 if self.constant_level() else self.level.state[0]
        elif self.level.values != [1.0]:
            raise ValueError(
                "Utilization is given twice: as an argument and as an input. Leave one out."
            )
        if isinstance(utilization, (int, float, str, list, tuple, np.ndarray, np.generic)):
            utilization = check_utilization(utilization)
        utilization = ops.convert_to_tensor(utilization, "float32")
        if len(utilization.shape) == 0:
            batch = ops.shape(keras.tree.flatten(features)[0])[0]
            utilization = ops.broadcast_to(utilization, (batch,))
        runs = 1 if training else self.ensemble_runs
        outputs = [self.masked(features, utilization, training, step) for _ in range(runs)]
        return outputs[0] if runs == 1 else keras.tree.map_structure(mean_of, *outputs)

    def constant_level(self) -> tuple[float, ...]:
        """The level at inference that is compiled as a constant: the whole network's, or none."""
        return (1.0,) if self.level.values == [1.0] else ()

    def task_loss(self, x, y, y_pred, sample_weight):
        """The compiled loss of some outputs, with the losses that layers added."""
        return super().compute_loss(x, y, y_pred, sample_weight, training=True)

    def label_loss(self, y, y_pred, sample_weight, training):
        """The part of a pass' loss that distillation does not stand in for; here there is none."""
        return 0.0

    @property
    def losses(self):
        """As `keras.Model.losses`; while a further pass is judged, those of that pass."""
        added = added_losses()
        return super().losses if added is None else added

    def adding(self, losses: list):
        """Within it the losses that layers added are these; regularizers stay."""
        regularized = sum(weight.regularizer is not None for weight in self.trainable_weights)
        every = super().losses
        return adding([*losses, *every[len(every) - regularized :]])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training and self.objective:
            self.objective.check(y)
        step = current_step() or self.own_step()
        if training and x is not None and self.split(x)[1] is None:
            loss = self.regime.loss(self, x, y, y_pred, sample_weight, step)
        else:
            loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        if self.activity:
            for one in step.passes:
                self.activity.update_state(one.decisions)
        if training and self.objective:
            if not step.passes:
                raise ValueError(
                    "What gates learn is computed from what they chose. Expected `compute_loss` "
                    "to be called by `train_step`, as `fit` does. Received a call outside it."
                )
            loss += self.objective.loss(self, step.passes[-1], y, y_pred, sample_weight)
        if self.objective and self.objective.metrics and step.passes:
            self.objective.observe(self, step.passes[-1], y, y_pred, sample_weight)
        return loss

    def fit(self, x=None, y=None, *args, **kwargs):
        """As `keras.Model.fit`; `x` with or without utilization.

        What callbacks say of how training draws utilization and what gates learn ends with it,
        however it ends. The optimizer's own weight decay leaves out learned gates: it would drive
        them to p = 1/2 (herrmann2019, 3.2).
        """
        weights = [weight for weight in self.gate_weights if weight.trainable]
        if weights and self.compiled and not self.optimizer.built:
            for optimizer in getattr(self.optimizer, "optimizers", [self.optimizer]):
                optimizer.exclude_from_weight_decay(var_list=weights)
        self.look_ahead(x, y, kwargs.get("batch_size", args[0] if args else None))
        regime, objective = self._regime, self._objective
        try:
            return super().fit(x, y, *args, **kwargs)
        finally:
            self.dial.turn([0.0, 1.0])
            if self._regime != regime:
                self._regime = regime
                self.compile_steps_anew()
            if self._objective != objective:
                self.objective = objective

    def look_ahead(self, x, y, batch_size: int | None):
        """Checks the data of `fit`, and makes what its first step would make."""
        check_given(self.input, x)
        self.check_batches(x, batch_size)
        build_ahead(self, x, y)

    def evaluate(
        self,
        x=None,
        y=None,
        *args,
        utilization=None,
        gating=None,
        calibration_data=None,
        **kwargs,
    ):
        """As `keras.Model.evaluate`, at a utilization.

        Args:
            utilization: float in (0, 1], or array `(samples,)`. Default: as in `x`, else 1.
            gating: how learned gates decide, as `gating` takes it. Default: p > 0.5.
            calibration_data: training inputs by which the batch-norm statistics of this level are
                estimated anew, as `keras_tnn.surgery.recalibrate` takes them; afterwards they are
                as before. Without them a level whose statistics do not fit is told in a warning.
        """
        with self.gating(gating), self.at(x, utilization, calibration_data) as x:
            if calibration_data is None and self.statistics_level not in (None, *self.level.values):
                warn_of_statistics(self)
            return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x, *args, utilization=None, gating=None, calibration_data=None, **kwargs):
        """As `keras.Model.predict`, at a utilization.

        Args:
            utilization: float in (0, 1], or array `(samples,)`. Default: as in `x`, else 1.
            gating: how learned gates decide, as `gating` takes it. Default: p > 0.5.
            calibration_data: as for `evaluate`.
        """
        with self.gating(gating), self.at(x, utilization, calibration_data) as x:
            return super().predict(x, *args, **kwargs)

    @contextmanager
    def at(self, x, utilization, calibration_data=None) -> Iterator:
        """Within it inference runs at a utilization, on the data that it gives.

        Raises:
            ValueError: if a utilization is not in (0, 1], or is given twice.
        """
        check_given(self.input, x)
        if utilization is not None:
            utilization = check_utilization(utilization)
            if given_utilization(self.input, x) is not None:
                raise ValueError(
                    "Utilization is given twice: as an argument and as an input. Leave one out."
                )
            if utilization.ndim:
                x = with_utilization(self.input, x, utilization)
        level = 1.0 if utilization is None or utilization.ndim else utilization.item()
        self.level.turn([level])
        try:
            with calibrated(self, calibration_data, level):
                yield x
        finally:
            self.level.turn([1.0])

    def get_config(self):
        return {**super().get_config(), "statistics_level": self.statistics_level}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        level = config.pop("statistics_level", None)
        model = super().from_config(config, custom_objects)
        model.statistics_level = level
        return model


def mean_of(*tensors):
    return sum(tensors) / len(tensors)
