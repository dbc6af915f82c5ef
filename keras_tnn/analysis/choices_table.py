"""The table of those who choose a level for each sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any

from keras_tnn.analysis.choices import Choices
from keras_tnn.analysis.outcomes import Outcomes
from keras_tnn.cost.result_table import ResultTable
from keras_tnn.cost.text_table import aligned


@dataclass(frozen=True, eq=False)
class ChoicesTable(ResultTable):
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
        return aligned(self.lines(), left=1)

    def records(self) -> list[dict[str, Any]]:
        """What each chose: share of the MACs, accuracy, gain and the share of each level."""
        pairs = zip(self.controllers, self.escalated, strict=True)
        return [self.record(one) for one in (*(x for pair in pairs for x in pair), self.oracle)]

    def record(self, one: Choices) -> dict[str, Any]:
        levels = self.outcomes.levels
        shares = zip(levels, one.distribution(len(levels)), strict=True)
        return {
            "name": one.name,
            "share": float(one.mean_cost),
            "accuracy": float(one.accuracy),
            "random_accuracy": float(self.outcomes.mixture(one.mean_cost)),
            "gain": float(self.gain(one)),
            **{f"answered_by_{u:.4g}": float(share) for u, share in shares},
        }

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first."""
        return list(self.each_line())

    def each_line(self) -> Iterator[list[str]]:
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

    def plot(self, path: str | PathLike | None = None, *, ax=None):
        """Accuracy against mean MACs (liu2022, Fig. 8a).

        Args:
            path: where to save the figure; the ending says the format. Not saved if None.
            ax: axes of yours to draw on.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        from keras_tnn.analysis.canvas import saved
        from keras_tnn.analysis.choices_figures import choices_figure

        return saved(choices_figure(self, ax), path)

    def plot_levels(self, path: str | PathLike | None = None, *, ax=None):
        """Which levels answered, beside the oracle's (liu2022, Fig. 8b); as `plot` otherwise."""
        from keras_tnn.analysis.canvas import saved
        from keras_tnn.analysis.choices_figures import levels_figure

        return saved(levels_figure(self, ax), path)
