"""What each level says of each sample: all that those who turn the dial are judged by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_tnn.analysis.pairs import pairs_of
from keras_tnn.analysis.progress_bar import progress_bar
from keras_tnn.cost import EnergyModel, energy, layer_costs
from keras_tnn.losses import class_probabilities
from keras_tnn.losses.class_probabilities import certainty_of_answers, class_numbers
from keras_tnn.surgery import materialize
from keras_tnn.utilization import check_levels


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The answers of K levels for n samples of C classes.

    Attributes:
        levels: rising utilizations in (0, 1].
        probabilities: float array `(n, K, C)`.
        labels: the right classes, integers `(n,)`.
        macs: multiply-accumulates of each level for one sample.
        energy: Joules of each level for one sample (wang2019, Eq. 6).
    """

    levels: tuple[float, ...]
    probabilities: np.ndarray
    labels: np.ndarray
    macs: tuple[int, ...]
    energy: tuple[float, ...]

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class that each level answers, integers `(n, K)`."""
        return self.probabilities.argmax(-1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of that class, floats `(n, K)`."""
        return self.probabilities.max(-1)

    def certainty(self, measure: str = "probability") -> np.ndarray:
        """How sure each level is of its answer, floats in [0, 1], `(n, K)`.

        Args:
            measure: "probability", that of the answer, or "margin", by how much it is above the
                next class.

        Raises:
            ValueError: if `measure` is neither.
        """
        return certainty_of_answers(self.probabilities, measure)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether that class is the label, booleans `(n, K)`."""
        return self.predicted == self.labels[:, None]

    @property
    def shares(self) -> np.ndarray:
        """MACs of each level over those of the last, floats `(K,)`."""
        return np.array(self.macs) / self.macs[-1]

    @property
    def costs(self) -> np.ndarray:
        """MACs of each level for each sample, over those of the last level, floats `(n, K)`."""
        return np.broadcast_to(self.shares, self.right.shape)

    def going_on(self, here: int, up: int) -> np.ndarray:
        """MACs of going on from one level to a higher one, over those of the last level, `(n,)`.

        Each level is a network of its own and starts from the image.
        """
        return self.costs[:, up]

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right answers of each level, floats `(K,)`."""
        return self.right.mean(0)

    def class_accuracy(self) -> np.ndarray:
        """Accuracy of each class at each level (liu2022, Fig. 7), floats `(C, K)`.

        A class without samples has NaN.
        """
        classes = self.labels == np.arange(self.probabilities.shape[-1])[:, None]
        with np.errstate(invalid="ignore"):
            return classes.astype(float) @ self.right / classes.sum(1, keepdims=True)

    def mixture(self, share: float) -> float:
        """Accuracy of the best random choice of levels that costs a share of the MACs on average.

        It is the upper hull of the fixed levels: what chance reaches without any look at the
        sample.

        Args:
            share: mean MACs over those of the last level.
        """
        hull = [(self.shares[0], self.accuracy[0])]
        for x, y in zip(self.shares[1:], self.accuracy[1:], strict=True):
            while len(hull) > 1 and rises_less(hull[-2], hull[-1], (x, y)):
                hull.pop()
            hull.append((x, y))
        best = np.maximum.accumulate([y for _, y in hull])
        return float(np.interp(share, [x for x, _ in hull], best))

    def of(self, samples) -> "Outcomes":
        """Those of some samples, given by index or as booleans."""
        return replace(self, probabilities=self.probabilities[samples], labels=self.labels[samples])


def rises_less(first, middle, last) -> bool:
    """Whether the way over the middle point lies below the straight one."""
    (x0, y0), (x1, y1), (x2, y2) = first, middle, last
    return (y1 - y0) * (x2 - x0) <= (y2 - y0) * (x1 - x0)


def level_outcomes(
    model: keras.Model,
    x: Any,
    y: Any = None,
    levels: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    *,
    calibration_data: Any = None,
    batch_size: int = 256,
    energy_model: EnergyModel | None = None,
    verbose: bool | None = None,
) -> Outcomes:
    """Cuts each level out of a throttled classifier and keeps its answers for each sample.

    Args:
        model: compiled throttled model with one output of classes; see
            `keras_tnn.losses.class_probabilities`.
        x: inputs without utilization: arrays, or a `tf.data.Dataset` or `keras.utils.PyDataset`
            of batches `(x, y)`. Read once.
        y: labels, where `x` is arrays: class numbers, `(n,)` or `(n, 1)`, or one-hot `(n, C)`.
        levels: rising utilizations in (0, 1].
        calibration_data: training inputs by which each level's batch-norm statistics are
            estimated anew, as `materialize` takes them.
        batch_size: samples that are held at once, where `x` is arrays.
        energy_model: as for `evaluate_levels`.
        verbose: whether to show a progress bar over the batches. None on a terminal or in a
            notebook only.

    Returns:
        `Outcomes`.

    Raises:
        ValueError: if `levels` are invalid, the model is not throttled or no compiled classifier,
            or there are no labels.

    Example:

    >>> model = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16,
    ...     batch_normalization=False)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> x, y = np.zeros((6, 8, 8, 3)), np.zeros(6)
    >>> level_outcomes(model, x, y, (0.5, 1.0), verbose=False).right.shape
    (6, 2)
    """
    judged = LevelNetworks(model, levels, calibration_data)
    answers, labels = [], []
    bar = progress_bar(None, "batch", verbose)
    for inputs, truth in pairs_of(x, y, batch_size):
        answers.append(judged.probabilities(inputs))
        labels.append(judged.classes(truth))
        bar.add(1)
    if not labels:
        raise ValueError("Invalid value for `x`. Expected batches (x, y). Received none.")
    costs = [layer_costs(network) for network in judged.networks]
    return Outcomes(
        judged.levels,
        np.concatenate(answers),
        np.concatenate(labels),
        tuple(sum(layer.macs for layer in level) for level in costs),
        tuple(energy(level, energy_model) for level in costs),
    )


class LevelNetworks:
    """The levels of a throttled classifier, each cut out, and what they say.

    Args:
        model, levels, calibration_data: as for `level_outcomes`.
    """

    def __init__(self, model: keras.Model, levels: Sequence[float], calibration_data: Any = None):
        self.levels = check_levels(levels)
        self.as_probabilities = class_probabilities(model)
        self.networks = [materialize(model, u, calibration_data) for u in self.levels]

    def probabilities(self, x) -> np.ndarray:
        """Class probabilities of one batch, `(batch, K, C)`."""
        outputs = [self.as_probabilities(network.predict_on_batch(x)) for network in self.networks]
        return np.stack([keras.ops.convert_to_numpy(one) for one in outputs], axis=1)

    def classes(self, y) -> np.ndarray:
        """Class numbers of one batch of labels, `(batch,)`."""
        return keras.ops.convert_to_numpy(class_numbers(y))
