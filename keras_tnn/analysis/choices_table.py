"""The table of those who choose a level for each sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike

from keras_tnn.analysis.choices import Choices
from keras_tnn.analysis.outcomes import Outcomes
from keras_tnn.cost.text_table import aligned


@dataclass(frozen=True, eq=False)
class ChoicesTable:
    """Controllers beside random choice, escalation, fixed levels and the oracle.

    Attributes:
        outcomes: what each level answers for each sample.
        controllers: what each controller chose.
        escalated: for each of them, escalation at the same mean cost.
        oracle: the lowest level that is right.
    """

    outcomes: Outcomes
    controllers: tuple[Choices, ...]
    escalated: tuple[Choices, ...]
    oracle: Choices

    def gain(self, choices: Choices) -> float:
        """Accuracy above the best random choice of levels at the same mean cost."""
        return choices.accuracy - self.outcomes.mixture(choices.mean_cost)

    def __str__(self) -> str:
        return aligned(list(self.lines()), left=1)

    def lines(self) -> Iterator[list[str]]:
        """The cells of each line."""
        levels = self.outcomes.levels
        answered = [f"u={u:.4g}" for u in levels]
        yield ["", "MACs", "accuracy", "random", "gain", *answered]
        for made, escalated in zip(self.controllers, self.escalated, strict=True):
            for one in (made, escalated):
                yield self.cells(one)
        yield self.cells(self.oracle)
        for u, share, accuracy in zip(
            levels, self.outcomes.shares, self.outcomes.accuracy, strict=True
        ):
            yield [f"u={u:.4g}", f"{share:.3f}", f"{accuracy:.4f}", "", "", *[""] * len(levels)]

    def cells(self, one: Choices) -> list[str]:
        distribution = one.distribution(len(self.outcomes.levels))
        return [
            one.name,
            f"{one.mean_cost:.3f}",
            f"{one.accuracy:.4f}",
            f"{self.outcomes.mixture(one.mean_cost):.4f}",
            f"{self.gain(one):+.4f}",
            *(f"{share:.3f}" for share in distribution),
        ]

    def plot(self, path: str | PathLike | None = None):
        """Accuracy against mean MACs (liu2022, Fig. 8a).

        Args:
            path: where to save the figure; the ending says the format. Not saved if None.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        from keras_tnn.analysis.canvas import saved
        from keras_tnn.analysis.choices_figures import choices_figure

        return saved(choices_figure(self), path)

    def plot_levels(self, path: str | PathLike | None = None):
        """Which levels answered, beside the oracle's (liu2022, Fig. 8b); as `plot` otherwise."""
        from keras_tnn.analysis.canvas import saved
        from keras_tnn.analysis.choices_figures import levels_figure

        return saved(levels_figure(self), path)
