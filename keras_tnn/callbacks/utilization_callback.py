"""The base of all callbacks that set how training draws utilization."""

from keras_tnn.callbacks.logged import Logged
from keras_tnn.callbacks.way import Way, warn_if_too_short
from keras_tnn.training import PerBatch, PerSample, Regime, ThrottledModel, UniformDraw

REGIMES = {"sample": PerSample, "batch": PerBatch}


class UtilizationCallback(Logged):
    """Gives the model a regime for one `fit`, and the dial's range for each epoch.

    What is drawn in an epoch follows from the epoch's number and `seed` alone. So a run that was
    killed and resumed by `keras.callbacks.BackupAndRestore` goes on as if nothing had happened.
    The range of u is logged with every batch and epoch; list this callback before
    `keras.callbacks.TensorBoard` for the logs to reach it.

    A subclass writes `make_regime` and, if the range of u moves, `range_at` and `way`, by which a
    run that is too short for it is told.

    Args:
        per: "sample" (every sample draws its own u, groups are masked) or "batch" (a batch
            shares one u and only active channels are computed, which is faster).
        seed: Integer, starts the draws.

    Raises:
        ValueError: if `per` is neither, or the model is not a `keras_tnn.ThrottledModel`.
    """

    def __init__(self, per: str = "sample", seed: int = 0):
        super().__init__()
        if per not in REGIMES:
            raise ValueError(
                f"Invalid value for `per`. Expected 'sample' or 'batch'. Received: per={per!r}"
            )
        self.per = per
        self.seed = seed

    def make_regime(self) -> Regime:
        """The regime for this run."""
        return REGIMES[self.per](UniformDraw())

    def range_at(self, epoch: int) -> tuple[float, float]:
        """Lowest and highest u that the epoch draws."""
        return 0.0, 1.0

    def way(self) -> Way | None:
        """From the first range to the last, where it moves step by step."""
        return None

    def on_train_begin(self, logs=None):
        if not isinstance(self.model, ThrottledModel):
            raise ValueError(
                f"{type(self).__name__} needs a keras_tnn.ThrottledModel. "
                f"Received: {type(self.model).__name__}"
            )
        self.model.regime = self.make_regime()
        if self.way() is not None:
            warn_if_too_short(type(self).__name__, self.way(), self.params.get("epochs"))

    def on_epoch_begin(self, epoch, logs=None):
        self.range = self.range_at(epoch)
        self.model.dial.turn(list(self.range))
        self.model.statistics_level = self.model.regime.statistics_level(self.model)
        self.model.regime.seed(self.seed, epoch)
        # The second number counts draws within the epoch.
        self.model.seed_generator.state.assign([self.seed + 7919 * (epoch + 1), 0])

    def numbers(self):
        return dict(zip(("u_low", "u_high"), self.range, strict=True))
