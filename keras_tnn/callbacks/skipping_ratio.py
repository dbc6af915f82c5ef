"""Gates learn to skip a given share of a network, in two steps."""

from collections.abc import Callable

import numpy as np

from keras_tnn.callbacks.trains_gates import TrainsGates
from keras_tnn.callbacks.way import Way, warn_if_too_short
from keras_tnn.layers import ResidualGate
from keras_tnn.losses.complexity import complexity_maker
from keras_tnn.quantities import check_count, check_not_negative, check_share
from keras_tnn.surgery import read_graph
from keras_tnn.training import SkippingObjective
from keras_tnn.training.controls_gates import check_learned_gates


class SkippingRatio(TrainsGates):
    """Trains gates to a skipping ratio: min L + alpha E, with alpha's sign by the batch.

    wang2019, Eq. 5 and IV-A.

    E is the cost of what runs, of which an average gated layer counts 1. Where a batch skips less
    than `target`, alpha is positive and E falls; where it skips more, alpha is negative. The
    ratio is that of hard decisions, p > 1/2, though training multiplies by p itself: it is what
    inference will skip. In the end the ratio stays about the target.

    Gates that are put into a trained network first learn to skip nothing, while the network is
    fixed; then both learn to skip, and batch normalisation has the time to follow:

    ```python
    gates = {"depth": keras_tnn.gates.Recurrent, "width": keras_tnn.gates.Convolutional}
    model = keras_tnn.throttle(network, axes=("depth", "width"), gate=gates)
    for target, epochs in ((0.0, 1), (0.5, 128)):
        model.freeze_data_path(target == 0)
        model.compile(keras.optimizers.SGD(5e-2, momentum=0.9), "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=128, epochs=epochs, callbacks=[SkippingRatio(target)])
    ```

    The logs get "target_skipping" and "skipping", the ratio of the last batch, and the history
    "gate_rates", for each epoch the mean values of the groups of each gate.

    Args:
        target: float in [0, 1), the skipping ratio: which share of the gated network's cost,
            compared with all gates open, is not computed.
        alpha: float, 0 or more; 2e-4 on CIFAR-10 and 4e-6 on ImageNet in the paper, for 50,000
            steps. A short training needs more.
        complexity: the resource: "macs", "energy" (Eq. 6), "gates" (each layer gate counts 1,
            whatever its layer costs), or a function that makes a `keras_tnn.losses.Complexity`
            from the model, such as `keras_tnn.losses.MeasuredShare` with a table of times.
        seed: Integer, starts the draws of gates that draw.
        start: float in [0, 1) or None. The ratio of the first epochs, which rises to `target`:
            the paper's "gradually increases", so that batch normalisation can follow.
        step: float in (0, 1], how much it rises at a time.
        every: Integer, epochs between two rises.

    Raises:
        ValueError: if an argument is out of range; at the start of training if the model is no
            `keras_tnn.ThrottledModel` with learned gates, or its gates' cost is not known.

    Example:

    >>> schedule = SkippingRatio(0.5, start=0.2, step=0.2)
    >>> [schedule.target_at(epoch) for epoch in range(4)]
    [0.2, 0.4, 0.5, 0.5]
    """

    def __init__(
        self,
        target: float,
        alpha: float = 2e-4,
        complexity: str | Callable = "macs",
        seed: int = 0,
        start: float | None = None,
        step: float = 0.1,
        every: int = 1,
    ):
        super().__init__(seed)
        self.target = check_ratio(target, "target")
        self.start = self.target if start is None else check_ratio(start, "start")
        self.step = check_share(step, "step")
        self.every = check_count(every, "every")
        self.alpha = check_not_negative(alpha, "alpha")
        self.complexity = complexity_maker(complexity, "complexity")

    def target_at(self, epoch: int) -> float:
        """The skipping ratio that an epoch is trained to."""
        return min(self.target, round(self.start + self.step * (epoch // self.every), 6))

    def on_train_begin(self, logs=None):
        model = self.model
        check_learned_gates(model, f"{type(self).__name__} needs")
        layers = [call.operation for call in read_graph(model).calls]
        blocks = sum(isinstance(one, ResidualGate) and not one.inverted for one in layers)
        model.objective = SkippingObjective(
            self.complexity(model), self.alpha, blocks or len(model.gate_calls)
        )

        end = f"the ratio comes up to {self.target:g}"
        way = Way(max(0.0, self.target - self.start), self.step, self.every, end)
        warn_if_too_short(type(self).__name__, way, self.params.get("epochs"))

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.model.target.turn([self.target_at(epoch), 0.0])

    def numbers(self):
        target, skipped = np.array(self.model.target.state).tolist()
        return {"target_skipping": target, "skipping": skipped}


def check_ratio(value, name: str) -> float:
    """Returns a skipping ratio after checking that something is left to run."""
    if check_share(value, name) == 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a float in [0, 1). Received: {name}={value!r}"
        )
    return value
