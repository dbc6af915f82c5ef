"""What gates do in training, for TensorBoard."""

from os import PathLike, fspath

import keras
import numpy as np

from keras_tnn.training.controls_gates import check_learned_gates

PIXELS = 8  # an epoch's width in the picture


class GateSummary(keras.callbacks.Callback):
    """Writes the rates of learned gates for TensorBoard (herrmann2019, Figures 9 and 24 to 27).

    After each epoch: "gates/activation_rates", a histogram over the groups of all gates, and
    "gates/<name>", the mean rate of each gate. At the end of training: "gates/timeline", a
    picture with a row for each group, from the model's input (top) to its output, and a column
    for each epoch of this run, black where a group was closed and white where it was open.

    The rates are those of `keras_tnn.callbacks.BatchActivation` or `SkippingRatio`: list it before
    this callback.

    Args:
        log_dir: folder for the events, such as that of `keras.callbacks.TensorBoard`.

    Raises:
        ImportError: at the start of training if TensorFlow is not installed.
        ValueError: at the start of training if the model has no learned gates; after the first
            epoch if neither of the two stands before this callback.

    Example:

    ```python
    callbacks = [
        keras_tnn.callbacks.BatchActivation(0.5),
        keras_tnn.callbacks.GateSummary("logs"),
        keras.callbacks.TensorBoard("logs"),
    ]
    model.fit(x, y, callbacks=callbacks)
    ```
    """

    def __init__(self, log_dir: str | PathLike):
        super().__init__()
        self.log_dir = fspath(log_dir)

    def on_train_begin(self, logs=None):
        self.summary = summary_writers()
        check_learned_gates(self.model, "GateSummary needs")
        self.writer = self.summary.create_file_writer(self.log_dir)
        self.epochs = []
        self.seen = len(self.model.history.history.get("gate_rates", []))

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch
        self.epochs.append(self.latest_rates())
        rates = {name: of_gate for name, of_gate in self.epochs[-1].items() if len(of_gate)}
        every = np.concatenate([*rates.values()])
        with self.writer.as_default(step=epoch):
            self.summary.histogram("gates/activation_rates", every)
            for name, of_gate in rates.items():
                self.summary.scalar(f"gates/{name}", of_gate.mean())
        self.writer.flush()

    def latest_rates(self) -> dict[str, np.ndarray]:
        """The rates of the epoch that ends, by name of the gate."""
        found = self.model.history.history.get("gate_rates", [])
        if len(found) == self.seen:
            raise ValueError(
                "GateSummary finds no rates of gates for this epoch. Expected "
                "keras_tnn.callbacks.BatchActivation, or SkippingRatio, before it in the list of "
                "callbacks."
            )
        self.seen = len(found)
        return found[-1]

    def on_train_end(self, logs=None):
        if self.epochs:
            with self.writer.as_default(step=self.epoch):
                self.summary.image("gates/timeline", timeline(self.epochs))
        self.writer.close()


def timeline(epochs: list[dict[str, np.ndarray]]) -> np.ndarray:
    """A picture of rates, `(1, groups x pixels, epochs x pixels, 1)`, values in [0, 1]."""
    rates = np.stack([np.concatenate([*one.values()]) for one in epochs], axis=1)  # group, epoch
    picture = rates.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)
    return picture[None, ..., None]


def summary_writers():
    """TensorFlow's writers of event files."""
    try:
        from tensorflow import summary
    except ImportError as error:
        raise ImportError(
            "GateSummary writes TensorBoard's files with TensorFlow, on any backend of Keras. "
            "Install it with: pip install keras-tnn[train]"
        ) from error
    return summary
