"""Training exits: one label serves all of them, and their losses are added up (wang2019, Eq. 4).

L_final = L_o + sum_i L_i
"""

from dataclasses import dataclass
from typing import Any

import keras

from keras_tnn.quantities import check_not_negative
from keras_tnn.training.keras_file import check_keras_file


@dataclass(frozen=True)
class Measures:
    """What exits are judged by, one an exit, as `compile` takes it."""

    loss: Any
    metrics: Any
    weighted_metrics: Any


class TrainsExits(keras.Model):
    """The part of a model with exits that compiles, and hands labels to all exits."""

    def save(self, filepath, *args, **kwargs):
        """As `keras.Model.save`; an HDF5 file, which could not be loaded again, is an error."""
        check_keras_file(filepath)
        return super().save(filepath, *args, **kwargs)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        distillation: float = 0.0,
        **kwargs,
    ):
        """As `keras.Model.compile`; one loss, and a plain list of metrics, are for every exit.

        Args:
            optimizer, weighted_metrics, **kwargs: as for `keras.Model.compile`.
            loss: of every exit; or a list or dict of losses, one an exit.
            loss_weights: floats, one an exit, as a list in order of depth or as a dict by name.
                By default 1 each (wang2019, Eq. 4).
            metrics: list of metrics of every exit, which are logged as "exit1_accuracy" and so
                on; or a list of such lists, or a dict, one an exit.
            distillation: float, 0 or more: weight of a further loss in training, by which each
                early exit learns from the last one's answers. It is the loss that fits the
                exit's own, as in `keras_tnn.losses.LevelDistillation`.

        Raises:
            ValueError: if `distillation` is negative, or no loss fits it; or if a weight is for
                something that is no exit.
        """
        self.distillation = check_not_negative(distillation, "distillation")
        self.measures = Measures(
            self.for_all(loss),
            self.metrics_of_each(metrics),
            self.metrics_of_each(weighted_metrics),
        )
        measures = {name: self.padded(given) for name, given in vars(self.measures).items()}
        weights = loss_weights if isinstance(loss, dict) else self.weights_in_order(loss_weights)
        super().compile(optimizer, loss_weights=self.padded(weights), **measures, **kwargs)
        self.stretches.clear()  # they measure by what was compiled

    def weights_in_order(self, weights):
        """Weights by name as a list; an exit that is not named has 1."""
        if not isinstance(weights, dict):
            return weights
        if unknown := {*weights} - {*self.output_names}:
            raise ValueError(
                f"Invalid value for `loss_weights`. Expected names among {list(self.exit_names)}. "
                f"Received: {sorted(unknown)}"
            )
        return [weights.get(name, 1.0) for name in self.exit_names]

    def for_all(self, given):
        """One thing for all exits; a list, or a dict by name, has one for each."""
        return given if given is None or is_nest(given) else [given] * len(self.exit_names)

    def padded(self, given):
        """What is given for each exit, for each output of the model: here they are the same."""
        return given

    def at_exit(self, given, number: int):
        """What is given for one exit; the inverse of `for_all`."""
        if isinstance(given, dict):
            return given.get(self.exit_names[number])
        sizes = (len(self.exit_names), len(self.outputs))  # for each exit, or padded
        own = isinstance(given, (list, tuple)) and len(given) in sizes
        return given[number] if own else given

    def metrics_of_each(self, metrics):
        """The metrics of each exit; of a plain list each exit has metrics of its own."""
        if not metrics or isinstance(metrics, dict) or any(map(is_nest, metrics)):
            return metrics
        return [[copied(one) for one in metrics] for _ in self.exit_names]

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, "distillation": self.distillation} if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y, sample_weight = self.for_all(y), self.for_all(sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, self.for_all(y), y_pred, self.for_all(sample_weight))

    def measures_at(self, number: int) -> dict:
        """The loss and metrics of one exit as `compile` takes them; metrics with own states."""
        return {
            name: keras.tree.map_structure(copied, self.at_exit(given, number))
            for name, given in vars(self.measures).items()
        }

    def measures_of_all(self) -> dict:
        """The losses and metrics of all exits as `compile` takes them; metrics with own states."""
        return {
            name: keras.tree.map_structure(copied, given)
            for name, given in vars(self.measures).items()
        }


def is_nest(given: Any) -> bool:
    return isinstance(given, (list, tuple, dict))


def copied(metric):
    """A metric of the same settings with a state of its own."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())
