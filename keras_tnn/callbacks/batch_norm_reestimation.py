"""Batch-norm statistics are estimated anew when training ends."""

from itertools import islice

import keras
from keras import ops

from keras_tnn.quantities import check_count
from keras_tnn.surgery import recalibrate
from keras_tnn.surgery.recalibrate import batches_of
from keras_tnn.training.statistics import normalizations
from keras_tnn.utilization import check_one


class BatchNormReestimation(keras.callbacks.Callback):
    """Re-estimates the model's batch-norm statistics on large batches at the end of training.

    Few open gates make the statistics of training unsteady; herrmann2019 (4.1) runs 200 large
    batches at a learning rate of zero before the last evaluation. Here the mean and the variance
    over these batches take the place of moving averages: `keras_tnn.surgery.recalibrate`. Learned
    gates decide as at inference, p > 0.5, so the statistics fit the network that will run. A
    data-dependent gate keeps the statistics of its own small network.

    Only statistics change. List this callback after those that choose weights when training
    ends, such as `keras.callbacks.EarlyStopping(restore_best_weights=True)`; what
    `keras.callbacks.ModelCheckpoint` saved before has the old statistics.

    Args:
        data: training inputs in random order: an array `(samples, ...)`, a list or dict of arrays
            for several inputs, or an iterable of batches (`x` or `(x, y)`), such as a
            `tf.data.Dataset`.
        batches: Integer, how many batches are read at most; 200 in the paper.
        batch_size: Integer, samples a batch where `data` is arrays.
        utilization: float in (0, 1], at which the statistics are taken.

    Raises:
        ValueError: if an argument is out of range; at the start of training if the model has no
            `BatchNormalization` among its layers.

    Example:

    ```python
    steady = keras_tnn.callbacks.BatchNormReestimation(x_train, batch_size=512)
    model.fit(x_train, y_train, callbacks=[keras_tnn.callbacks.BatchActivation(0.5), steady])
    ```
    """

    def __init__(self, data, batches: int = 200, batch_size: int = 256, utilization: float = 1.0):
        super().__init__()
        self.data = data
        self.batches = check_count(batches, "batches")
        self.batch_size = check_count(batch_size, "batch_size")
        self.utilization = check_one(utilization)

    def on_train_begin(self, logs=None):
        if not normalizations(self.model):
            raise ValueError(
                "BatchNormReestimation needs a model with `BatchNormalization` among its layers. "
                f"Received: '{self.model.name}'. Leave the callback out."
            )

    def on_train_end(self, logs=None):
        batches = islice(batches_of(self.data, self.batch_size), self.batches)
        arrays = (keras.tree.map_structure(ops.convert_to_numpy, batch) for batch in batches)
        recalibrate(self.model, arrays, utilization=self.utilization)
