"""The gating table: one row for each way to run a model with learned gates."""

from dataclasses import dataclass
from typing import Any

from keras_tnn.analysis.metric_table import MetricTable
from keras_tnn.cost.text_table import aligned, with_unit
from keras_tnn.gates.inference import Inference


@dataclass(frozen=True)
class GatingRow:
    """One way of inference (herrmann2019, 3.3).

    Attributes:
        gating: `Threshold`, `Stochastic`, `AlwaysOn` or `Ensemble` of `keras_tnn.gates`.
        macs: multiply-accumulates of the network for a sample, the mean over samples; or None
            where the cost is unknown. Gates that are computed for every sample count with them,
            except where all are open; an ensemble counts all of its runs.
        share: the same as a share of the network without gates, or None.
        activation_rate: share of open groups over samples and gates.
        polarization: share of groups whose mean probability is above 0.95 or below 0.05.
        metrics: name to value, the loss included, as `evaluate` returns them.
        deviations: name to standard deviation (n - 1) over several evaluations: of the metrics,
            and of "share", "activation_rate" and "polarization"; or None after one evaluation.
    """

    gating: Inference
    macs: float | None
    share: float | None
    activation_rate: float
    polarization: float
    metrics: dict[str, float]
    deviations: dict[str, float] | None = None


@dataclass(frozen=True)
class GatingTable(MetricTable):
    """All ways of inference side by side (herrmann2019, Figures 10 to 12). `print` shows them.

    Attributes:
        rows: tuple of `GatingRow`.
        unknown_cost: why there are no MACs, or None where there are.
        samples: how many the metrics are of, or None where that is not known.
    """

    rows: tuple[GatingRow, ...]
    unknown_cost: str | None = None
    samples: int | None = None

    def draw(self, metric: str, ax=None):
        """The figure of `plot`, as `keras_tnn.analysis.gating_figure`."""
        from keras_tnn.analysis.gate_figures import gating_figure

        return gating_figure(self, metric, ax)

    def record(self, row: GatingRow) -> dict[str, Any]:
        found = super().record(row)
        deviations = found.pop("deviations") or {}
        spread = {f"deviation_of_{name}": value for name, value in deviations.items()}
        return {**found, "gating": str(row.gating), **spread}

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first."""
        # Means stand below each other: what has no deviation gets its room.
        room = " " * len(self.deviation(0.0)) if any(row.deviations for row in self.rows) else ""
        names = [name + room for name in self.metric_names]
        header = ["gates", "MACs", "share", "activation", "polarization", *names]
        return [header, *(self.cells(row, room) for row in self.rows)]

    def __str__(self) -> str:
        lines = [line.rstrip() for line in aligned(self.lines(), left=1).splitlines()]
        reason = [f"MACs: {self.unknown_cost}"] if self.unknown_cost else []
        return "\n".join([*lines, *reason])

    def cells(self, row: GatingRow, room: str) -> list[str]:
        spread = row.deviations
        return [
            str(row.gating),
            "-" if row.macs is None else with_unit(row.macs),
            "-" if row.share is None else f"{row.share:.3f}",
            f"{row.activation_rate:.3f}",
            f"{row.polarization:.3f}",
            *(
                f"{row.metrics[name]:.4f}{self.deviation(spread[name]) if spread else room}"
                for name in self.metric_names
            ),
        ]

    def deviation(self, value: float) -> str:
        return f" ± {value:.4f}"
