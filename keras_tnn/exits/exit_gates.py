"""Exits whose gates learn when to stop (herrmann2019, S1.5).

At each early exit a gate makes a discrete decision: whether this sample can be answered here. With
Gumbel noise the decisions are trained end to end, with the network.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from keras_tnn.exits.exit_costs import counter
from keras_tnn.exits.heads import AVERAGES, CONVOLUTIONS
from keras_tnn.exits.thresholds import GATE, ExitThresholds
from keras_tnn.gates import StraightThrough
from keras_tnn.losses import ConstQuad
from keras_tnn.quantities import check_not_negative, check_share
from keras_tnn.training.sample_losses import OfSamples

FIRST_PROBABILITY = 0.15  # of stopping, before training


def exit_gate(features, name: str, filters: int = 128):
    """The log-odds of stopping, `(batch, 1)`: the gate of herrmann2019 (S1.5).

    Two 3x3 convolutions to 128 channels, each normalised, an average pool and a linear layer. The
    paper names no activation; here a ReLU stands behind each normalisation. Its 4x4 pool leaves one
    place of its last map; here the average is over all places.

    Args:
        features: tensor where the exit stands.
        name: of the layer that makes the log-odds.
        filters: Integer, the channels; 128 in the paper.

    Example:

    >>> exit_gate(keras.Input((8, 8, 3)), "exit1_gate", filters=8).shape
    (None, 1)
    """
    x, rank = features, len(features.shape) - 2
    for number in (1, 2) if rank else ():
        label = f"{name}_{number}"
        x = CONVOLUTIONS[rank](filters, 3, padding="same", use_bias=False, name=f"{label}_conv")(x)
        x = layers.ReLU(name=f"{label}_relu")(layers.BatchNormalization(name=f"{label}_norm")(x))
    x = AVERAGES[rank](name=f"{name}_pool")(x) if rank else x
    odds = math.log(FIRST_PROBABILITY / (1 - FIRST_PROBABILITY))
    bias = keras.initializers.Constant(odds)
    return layers.Dense(1, bias_initializer=bias, dtype="float32", name=name)(x)


class LearnsToStop(keras.Model):
    """The part of a model with exit gates that trains them and asks them.

    The outputs are those of the exits and then, for each early exit, the log-odds of its gate.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.estimator = StraightThrough(name="exit_gates")
        self.stopped_share = keras.metrics.Mean(name="share")

    @property
    def exit_names(self) -> tuple[str, ...]:
        """The names of the exits in order of depth; the last one is the model's own output."""
        return tuple(self.output_names[: (len(self.output_names) + 1) // 2])

    def check_outputs(self, outputs):
        """Returns the outputs after checking that log-odds stand behind those of the exits."""
        listed = isinstance(outputs, (list, tuple)) and len(outputs) > 2 and len(outputs) % 2
        early = len(outputs) // 2 if listed else 0
        if not listed or any(tuple(x.shape[1:]) != (1,) for x in outputs[early + 1 :]):
            raise ValueError(
                "Invalid value for `outputs`. Expected those of the exits and, for each but the "
                f"last, log-odds of shape (batch, 1). Received: outputs={outputs}"
            )
        return [*super().check_outputs(outputs[: early + 1]), *outputs[early + 1 :]]

    def compile(self, *args, target: float = 1.0, penalty: float = 1.0, **kwargs):
        """As without gates, and what these learn besides the task.

        With a dial, costs are those at the u that was drawn, over those of the whole network at
        u = 1.

        Args:
            *args, **kwargs: as for `ExitsModel.compile`.
            target: float in [0, 1]: mean MACs of a sample over those of the whole network, up to
                which the penalty is zero.
            penalty: float, 0 or more, the weight of (share - target)^2 above the target
                (`keras_tnn.losses.ConstQuad`; herrmann2019, Eq. 3).
        """
        self.target = check_share(target, "target")
        self.penalty = check_not_negative(penalty, "penalty")
        costs = self.stop_costs(self.as_thresholds("gates"))
        self.shares = (costs / self.exit_costs()[self.exit_names[-1]]).tolist()
        super().compile(*args, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, "target": self.target, "penalty": self.penalty} if config else config

    def padded(self, given, of_gates=None):
        """What is given for each exit, and something for each gate, by default nothing."""
        names = self.output_names[len(self.exit_names) :]
        of_gates = [None] * len(names) if of_gates is None else of_gates
        if isinstance(given, dict):
            return {**given, **dict(zip(names, of_gates, strict=True))}
        whole = given is None or len(given) == len(self.output_names)
        return given if whole else [*given, *of_gates]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        odds = y_pred[len(self.exit_names) :]
        labels = self.padded(self.for_all(y), odds)
        weights = self.padded(self.for_all(sample_weight), odds)
        return super().compute_loss(x, labels, y_pred, weights, training=training)

    def label_loss(self, y, y_pred, sample_weight, training):
        """The loss of the exit where each sample stops, and the penalty on its cost."""
        stops = self.stops(y_pred[len(self.exit_names) :], training)  # (batch, exits)
        share = ops.sum(stops * self.shares_now(), axis=-1)
        self.stopped_share.update_state(share)
        target = ops.convert_to_tensor(self.target, "float32")
        penalty = ConstQuad().call(target, share[:, None])
        answered = ops.mean(ops.sum(stops * self.losses_at(y, y_pred, sample_weight), axis=-1))
        return answered + self.penalty * penalty

    def shares_now(self):
        """What stopping at each exit costs the samples that are judged, `(batch or 1, exits)`."""
        return ops.convert_to_tensor([self.shares], "float32")

    def stops(self, logits: list, training: bool):
        """Where each sample stops, `(batch, exits)`: one at the first open gate, else the last."""
        logits = ops.concatenate([ops.cast(one, "float32") for one in logits], axis=-1)
        if training:
            opened = self.estimator(logits, samples=ops.shape(logits)[0])
        else:
            opened = ops.cast(ops.greater(logits, 0), "float32")
        going, found = ops.ones_like(opened[:, 0]), []
        for number in range(logits.shape[-1]):
            found.append(going * opened[:, number])
            going = going * (1 - opened[:, number])
        return ops.stack([*found, going], axis=-1)

    def losses_at(self, y, y_pred, sample_weight):
        """The compiled loss of each sample at each exit, `(batch, exits)`."""
        each = [
            OfSamples(self.at_exit(self.measures.loss, number))(
                self.at_exit(y, number), y_pred[number], self.at_exit(sample_weight, number)
            )
            for number in range(len(self.exit_names))
        ]
        return ops.stack(each, axis=-1)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        odds = y_pred[len(self.exit_names) :]
        labels = self.padded(self.for_all(y), odds)
        weights = self.padded(self.for_all(sample_weight), odds)
        return super().compute_metrics(x, labels, y_pred, weights)

    def check_measure(self, measure: str):
        if measure != GATE:
            super().check_measure(measure)

    def certainties(self, outputs, measure):
        if measure != GATE:
            return super().certainties(outputs[: len(self.exit_names)], measure)
        odds = outputs[len(self.exit_names) :]
        sure = [keras.ops.convert_to_numpy(ops.sigmoid(one))[:, 0] for one in odds]
        return [*sure, np.ones_like(sure[0])]

    def stop_costs(self, thresholds: ExitThresholds, utilization=None):
        """As without gates; of exits asked by their gates, heads count where a sample stops."""
        if thresholds.measure != GATE:
            return super().stop_costs(thresholds, utilization)
        count = counter(self, "macs", utilization)
        return np.array([count(*numbers) for numbers in self.outputs_by_stop(thresholds)], float)

    def outputs_by_stop(self, thresholds: ExitThresholds) -> list[list[int]]:
        """The outputs that are computed where a sample stops at each exit: gates' and its own."""
        exits, asked = len(self.exit_names), thresholds.asked(self.exit_names)
        gates = [[exits + one for one in asked if one <= number] for number in range(exits)]
        return [[number, *gates[number]] for number in range(exits)]


class LearnsWhereToStop(keras.Model):
    """The part of a model with exit gates that adds what they learn to the loss of each pass.

    It stands below `ThrottledModel`, so that every level of a step has its own.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        return loss + self.label_loss(y, y_pred, sample_weight, training)
