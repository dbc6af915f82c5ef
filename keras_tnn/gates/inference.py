"""How learned gates decide at inference (herrmann2019, 3.3).

A gate is open where p > offset + scale U with U ~ Uniform(0, 1): a threshold is (tau, 0), drawing
is (0, 1), and every gate is open with (-1, 0).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from keras_tnn.quantities import check_count


def check_threshold(value, name: str = "threshold") -> float:
    """Returns `value` as a float.

    Raises:
        ValueError: if it does not lie in (0, 1).
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1:
        raise ValueError(
            f"Invalid value for `{name}`. Expected a float in (0, 1). Received: {name}={value!r}"
        )
    return float(value)


@dataclass(frozen=True)
class Threshold:
    """A gate is open where its probability is above tau.

    Attributes:
        tau: float in (0, 1); 0.5 in the paper.

    Raises:
        ValueError: if `tau` is out of range.

    Example:

    ```python
    model.evaluate(x, y, gating=keras_tnn.gates.Threshold(0.8))
    model.evaluate(x, y, gating=0.8)  # the same
    ```
    """

    tau: float = 0.5

    def __post_init__(self):
        check_threshold(self.tau, "tau")

    @property
    def dial(self) -> list[float]:
        return [self.tau, 0.0]

    def __str__(self) -> str:
        return f"threshold {self.tau:g}"


@dataclass(frozen=True)
class Stochastic:
    """Every sample draws its gates, as in training.

    Example:

    ```python
    model.predict(x, gating=keras_tnn.gates.Stochastic())
    ```
    """

    @property
    def dial(self) -> list[float]:
        return [0.0, 1.0]

    def __str__(self) -> str:
        return "stochastic"


@dataclass(frozen=True)
class AlwaysOn:
    """All gates are open: they were a regularisation only, as dropout is.

    Example:

    ```python
    model.evaluate(x, y, gating=keras_tnn.gates.AlwaysOn())
    ```
    """

    @property
    def dial(self) -> list[float]:
        return [-1.0, 0.0]

    def __str__(self) -> str:
        return "always on"


@dataclass(frozen=True)
class Ensemble:
    """The mean of the outputs of several stochastic runs.

    Attributes:
        runs: Integer, at least 1; 5 in the paper.

    Raises:
        ValueError: if `runs` is not a positive integer.

    Example:

    ```python
    model.evaluate(x, y, gating=keras_tnn.gates.Ensemble(5))
    ```
    """

    runs: int = 5

    def __post_init__(self):
        check_count(self.runs, "runs")

    @property
    def dial(self) -> list[float]:
        return [0.0, 1.0]

    def __str__(self) -> str:
        return f"ensemble of {self.runs}"


Inference = Threshold | Stochastic | AlwaysOn | Ensemble


def check_gating(gating) -> Inference:
    """Returns how gates decide: an object of this module, or a float for `Threshold`.

    Raises:
        ValueError: if `gating` is neither.
    """
    if isinstance(gating, Inference):
        return gating
    if isinstance(gating, (int, float)) and not isinstance(gating, bool):
        return Threshold(gating)
    raise ValueError(
        "Invalid value for `gating`. Expected a threshold in (0, 1), or Threshold(tau), "
        "Stochastic(), AlwaysOn() or Ensemble(runs) of keras_tnn.gates. "
        f"Received: gating={gating!r}"
    )


@contextmanager
def deciding(gates: Iterable, inference: Inference | None) -> Iterator[None]:
    """Within it the learned ones among some gates decide at inference in one way; None: as ever."""
    dials = [gate.inference for gate in gates if inference and hasattr(gate, "inference")]
    before = [dial.values for dial in dials]
    for dial in dials:
        dial.turn(inference.dial)
    try:
        yield
    finally:
        for dial, values in zip(dials, before, strict=True):
            dial.turn(values)
