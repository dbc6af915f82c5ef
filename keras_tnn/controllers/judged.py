"""Samples with what every level answers for them in place of their labels."""

import keras
import numpy as np

from keras_tnn.analysis.outcomes import LevelNetworks
from keras_tnn.analysis.pairs import check_labels, labelled, pairs_of


def table_of(levels: LevelNetworks, x, y) -> np.ndarray:
    """Whether each level is right about the samples of a batch, and how sure: `(batch, K, 2)`.

    It is one array, so that Keras gives each of its rows the weight of the sample.
    """
    probabilities = levels.probabilities(x)
    right = probabilities.argmax(-1) == levels.classes(y)[:, None]
    return np.stack([right, probabilities.max(-1)], axis=-1, dtype="float32")


def kept_table(levels: LevelNetworks, x, y, batch_size: int = 256) -> np.ndarray:
    """The table of all samples."""
    return np.concatenate([table_of(levels, *pair) for pair in pairs_of(x, y, batch_size)])


def read_table(table) -> tuple:
    """Whether each level is right, booleans `(batch, K)`, and how sure, floats."""
    return table[..., 0] > 0.5, table[..., 1]


class Judged(keras.utils.PyDataset):
    """Batches `(x, table)`, of which the levels are run when they are asked for.

    Args:
        levels: the levels.
        x, y: as for `keras.Model.fit`.
        batch_size: of arrays, which come in another order each epoch.

    Raises:
        ValueError: if data of batches does not know how many it has.
    """

    def __init__(self, levels: LevelNetworks, x, y, batch_size: int):
        super().__init__()
        self.levels, self.x, self.y, self.batch_size = levels, x, y, batch_size
        leaves = keras.tree.flatten(x)
        self.arrays = all(hasattr(leaf, "shape") for leaf in leaves)
        if self.arrays:
            check_labels(len(leaves[0]), y)
            self.order = np.random.default_rng().permutation(len(y))
            self.batches = -(-len(y) // batch_size)
        else:
            self.batches = length_of(x)
            self.rest = iter(())

    def __len__(self):
        return self.batches

    def __getitem__(self, index: int):
        x, y = self.pair(index)
        return x, table_of(self.levels, x, y)

    def pair(self, index: int) -> tuple:
        if self.arrays:
            part = self.order[index * self.batch_size : (index + 1) * self.batch_size]
            return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[part], self.x), self.y[
                part
            ]
        if isinstance(self.x, keras.utils.PyDataset):
            return labelled(self.x[index])
        batch = next(self.rest, None)
        if batch is None:  # the next epoch
            self.rest = iter(self.x)
            batch = next(self.rest)
        return labelled(batch)

    def on_epoch_end(self):
        if self.arrays:
            self.order = np.random.default_rng().permutation(self.order)
        elif isinstance(self.x, keras.utils.PyDataset):
            self.x.on_epoch_end()


def length_of(batches) -> int:
    """How many batches there are."""
    try:
        return len(batches)
    except TypeError as error:
        raise ValueError(
            "Invalid value for `x`. Expected arrays, or batches whose number is known, as of a "
            "PyDataset or of a tf.data.Dataset with a cardinality. "
            f"Received: {type(batches).__name__}"
        ) from error
