"""Levels are validated at the end of each epoch."""

import keras

from keras_tnn.training import ThrottledModel
from keras_tnn.utilization import check_levels


class LevelValidation(keras.callbacks.Callback):
    """Logs what `evaluate` finds at each level: "val_accuracy_at_0.25" and so on.

    List it before callbacks that read the logs, so that they can follow one level:

    ```python
    levels = keras_tnn.callbacks.LevelValidation(x_val, y_val, (0.25, 0.5), calibration_data=x)
    best = keras.callbacks.ModelCheckpoint(
        "best.keras", monitor="val_accuracy_at_0.25", mode="max", save_best_only=True
    )
    model.fit(x, y, callbacks=[keras_tnn.callbacks.SandwichRule(), levels, best])
    ```

    Args:
        x: validation data without utilization, as `evaluate` takes it. Read once a level and epoch.
        y: labels, where `x` is arrays.
        levels: rising floats in (0, 1].
        calibration_data: training inputs by which each level's batch-norm statistics are
            estimated anew for the evaluation, as `ThrottledModel.evaluate` takes them.
        batch_size: samples a batch, where `x` is arrays.

    Raises:
        ValueError: if `levels` are invalid; at the start of training if the model is no
            `keras_tnn.ThrottledModel`.
    """

    def __init__(self, x, y=None, levels=(0.25, 0.5, 0.75), calibration_data=None, batch_size=None):
        super().__init__()
        self.x, self.y, self.levels = x, y, check_levels(levels)
        self.calibration_data, self.batch_size = calibration_data, batch_size

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, ThrottledModel):
            raise ValueError(
                "LevelValidation needs a keras_tnn.ThrottledModel. "
                f"Received: {type(self.model).__name__}"
            )

    def on_epoch_end(self, epoch, logs=None):
        for level in self.levels:
            found = self.model.evaluate(
                self.x,
                self.y,
                batch_size=self.batch_size,
                utilization=level,
                calibration_data=self.calibration_data,
                verbose=0,
                return_dict=True,
            )
            if logs is not None:
                logs.update({f"val_{name}_at_{level:g}": value for name, value in found.items()})
