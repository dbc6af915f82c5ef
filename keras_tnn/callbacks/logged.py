"""Numbers that a callback adds to the logs."""

import keras


class Logged(keras.callbacks.Callback):
    """Base of callbacks that log: the progress bar, the history and TensorBoard read the logs.

    List it before `keras.callbacks.TensorBoard`. A subclass writes `numbers`.
    """

    def numbers(self) -> dict[str, float]:
        """What to log now, by name."""
        return {}

    def on_train_batch_end(self, batch, logs=None):
        self.log(logs)

    def on_epoch_end(self, epoch, logs=None):
        self.log(logs)

    def log(self, logs):
        if logs is not None:
            logs.update(self.numbers())
