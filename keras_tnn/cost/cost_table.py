"""The cost table: one row a call of a layer, with totals; printed, or written as JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import keras

from keras_tnn.cost.energy import EnergyModel
from keras_tnn.cost.layer_costs import LayerCost, layer_costs, sum_of
from keras_tnn.cost.result_table import ResultTable
from keras_tnn.cost.text_table import aligned, with_unit
from keras_tnn.utilization import has_dial

HEADER = ("layer", "kind", "output", "MACs", "FLOPs", "parameters", "weights", "activations")
FLOPS = "2 x MACs"
FLOPS_WITH_POOLING = "2 x MACs and 2 for each value that pooling writes (liu2022, Table 3)"


@dataclass(frozen=True)
class CostTable(ResultTable):
    """Costs of a model, or of one of its levels, for a batch of one. `print(table)` shows them.

    Attributes:
        name: of the model.
        utilization: the level of a throttled model; None for a plain one.
        rows: tuple of `LayerCost`, in the order in which the calls run.
        energy_model: what accesses and MACs cost.
    """

    name: str
    utilization: float | None
    rows: tuple[LayerCost, ...]
    energy_model: EnergyModel = field(default_factory=EnergyModel)

    @property
    def total(self) -> LayerCost:
        """The sum of the rows, named "total"."""
        return sum_of(self.rows)

    @property
    def energies(self) -> tuple[float, ...]:
        """Joules of each row (wang2019, Eq. 6)."""
        return tuple(self.energy_model.energy(row) for row in self.rows)

    @property
    def energy(self) -> float:
        """Joules of the whole."""
        return self.energy_model.energy(self.total)

    def __str__(self) -> str:
        level = "" if self.utilization is None else f" at u = {self.utilization:g}"
        with_pooling = with_unit(self.total.flops_with_pooling)
        return (
            f"{self.name}{level}, batch of one\n{aligned(self.lines(), left=2)}\n"
            f"FLOPs: {FLOPS}. With pooling (liu2022, Table 3): {with_pooling}. "
            "Energy: wang2019, Eq. 6."
        )

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first and the total last."""
        return [[*HEADER, "energy"], *(self.cells(row) for row in (*self.rows, self.total))]

    def records(self) -> list[dict[str, Any]]:
        """The numbers of each row, in units of one, bytes and Joules; without the total."""
        return [self.numbers(row) for row in self.rows]

    def cells(self, row: LayerCost) -> list[str]:
        return [
            row.name,
            row.kind,
            "x".join(map(str, row.output_shape)),
            *map(with_unit, (row.macs, row.flops, row.parameters)),
            *(with_unit(size, "B") for size in (row.weight_bytes, row.activation_bytes)),
            with_unit(self.energy_model.energy(row), "J"),
        ]

    def to_json(self) -> str:
        """The whole table as JSON: numbers in units of one, bytes and Joules.

        Returns:
            String. `flops_are` and `flops_with_pooling_are` say what the two countings count.
        """
        return json.dumps(
            {
                "model": self.name,
                "utilization": self.utilization,
                "batch": 1,
                "flops_are": FLOPS,
                "flops_with_pooling_are": FLOPS_WITH_POOLING,
                "energy_model": asdict(self.energy_model),
                "layers": [self.numbers(row) for row in self.rows],
                "total": self.numbers(self.total),
            },
            indent=2,
        )

    def numbers(self, row: LayerCost) -> dict:
        return {
            **asdict(row),
            "flops": row.flops,
            "flops_with_pooling": row.flops_with_pooling,
            "energy": self.energy_model.energy(row),
        }


def cost_table(
    model: keras.Model,
    utilization: float | None = None,
    energy_model: EnergyModel | None = None,
    input_shape=None,
) -> CostTable:
    """Counts what a model costs, layer by layer: MACs, FLOPs, parameters, bytes and energy.

    Args:
        model: functional or sequential Keras model, plain or throttled.
        utilization: float in (0, 1], for a throttled model only: the level to count. Defaults
            to 1.0.
        energy_model: what accesses and MACs cost; `EnergyModel()` by default.
        input_shape: sizes of a sample where the model leaves some open, as `count_macs` takes it.

    Returns:
        `CostTable`.

    Raises:
        ValueError: as `layer_costs`.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"),
    ...     keras.layers.Flatten(name="flatten")], name="net")
    >>> print(cost_table(model))
    net, batch of one
    layer    kind     output    MACs   FLOPs  parameters  weights  activations     energy
    conv     Conv2D    6x6x4  3.89 k  7.78 k         112    448 B        576 B  526.31 nJ
    flatten  Flatten     144       0       0           0      0 B        576 B        0 J
    total                     3.89 k  7.78 k         112    448 B      1.15 kB  526.31 nJ
    FLOPs: 2 x MACs. With pooling (liu2022, Table 3): 7.78 k. Energy: wang2019, Eq. 6.
    >>> cost_table(model).rows[0].moved_bytes  # 192 inputs, 112 weights, 144 outputs
    1792
    """
    rows = layer_costs(model, utilization, input_shape)
    level = (1.0 if utilization is None else float(utilization)) if has_dial(model) else None
    return CostTable(model.name, level, rows, energy_model or EnergyModel())
