"""What all callbacks that train learned gates share: their draws, and how often gates opened."""

from keras_tnn.callbacks.logged import Logged


class TrainsGates(Logged):
    """Base: draws follow from the epoch's number, and the history gets the rates of the gates.

    `fit(...).history["gate_rates"]` gets, for each epoch, the rates of the groups of each gate. A
    run that was killed and resumed by `keras.callbacks.BackupAndRestore` draws as if nothing had
    happened.

    Args:
        seed: Integer, starts the draws.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        self.rates = None
        for number, gate in enumerate(self.model.learned_gates):
            start = self.seed + 7919 * (epoch + 1) + 104729 * (number + 1)
            gate.estimator.seed_generator.state.assign([start, 0])

    def on_test_begin(self, logs=None):
        """Validation, if any, resets the metrics before the epoch ends."""
        self.rates = self.model.activity.rates()

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        rates = self.model.activity.rates() if self.rates is None else self.rates
        self.model.history.history.setdefault("gate_rates", []).append(rates)
