"""The schedule of the modified sigmoid by which REINFORCE's gates stay uncertain early on."""

from keras_tnn.callbacks.logged import Logged
from keras_tnn.gates import Reinforce
from keras_tnn.gates.reinforce import check_alpha
from keras_tnn.quantities import check_count


class ReinforceAlpha(Logged):
    """Alpha of every `Reinforce` estimator rises epoch by epoch (hostetler2019, A.1).

    With p = alpha sigmoid(l) + (1 - alpha) (1 - sigmoid(l)) a gate's probability lies in
    [1 - alpha, alpha]. The steps are equal: the first epoch has `start`, and from the epoch
    number `epochs`, counted from 0, alpha is `end`. It follows from the epoch's number alone, so
    a run that was killed and resumed by `keras.callbacks.BackupAndRestore` goes on as if nothing
    had happened. The model keeps the last alpha. The logs get "alpha".

    Args:
        start: float in (0.5, 1], alpha in the first epoch.
        end: float in (0.5, 1], alpha in the end.
        epochs: Integer, how many it takes; 20 in the paper.

    Raises:
        ValueError: if an argument is out of range; at the start of training if no learned gate
            of the model has the estimator `Reinforce`.

    Example:

    >>> schedule = ReinforceAlpha(start=0.8, end=1.0, epochs=4)
    >>> [round(schedule.alpha_at(epoch), 2) for epoch in (0, 1, 2, 4, 9)]
    [0.8, 0.85, 0.9, 1.0, 1.0]
    """

    def __init__(self, start: float = 0.8, end: float = 0.99, epochs: int = 20):
        super().__init__()
        self.start, self.end = check_alpha(start), check_alpha(end)
        self.epochs = check_count(epochs, "epochs")

    def alpha_at(self, epoch: int) -> float:
        """Alpha during an epoch."""
        return self.start + (self.end - self.start) * min(1.0, epoch / self.epochs)

    def on_train_begin(self, logs=None):
        gates = getattr(self.model, "learned_gates", [])
        # Gates may share an estimator; turning it twice does no harm.
        self.estimators = [g.estimator for g in gates if isinstance(g.estimator, Reinforce)]
        if not self.estimators:
            raise ValueError(
                "ReinforceAlpha needs a keras_tnn.ThrottledModel with learned gates that have "
                "`estimator=keras_tnn.gates.Reinforce()`. "
                f"Received: '{self.model.name}', a {type(self.model).__name__}"
            )

    def on_epoch_begin(self, epoch, logs=None):
        self.alpha = self.alpha_at(epoch)
        for estimator in self.estimators:
            estimator.turn(self.alpha)

    def numbers(self):
        return {"alpha": self.alpha}
