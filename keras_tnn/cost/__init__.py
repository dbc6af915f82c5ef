"""Cost: what a model, or a level of one, costs to run."""

from keras_tnn.cost.cost_table import CostTable, cost_table
from keras_tnn.cost.energy import EnergyModel, energy
from keras_tnn.cost.gated_cost import GatedCost, gated_energy, gated_macs
from keras_tnn.cost.layer_costs import LayerCost, count_macs, layer_costs

__all__ = [
    "CostTable",
    "EnergyModel",
    "GatedCost",
    "LayerCost",
    "cost_table",
    "count_macs",
    "energy",
    "gated_energy",
    "gated_macs",
    "layer_costs",
]
