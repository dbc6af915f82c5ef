"""Cost: what a model, or a level of one, costs to run."""

from keras_tnn.cost.layer_costs import LayerCost, count_macs, layer_costs

__all__ = ["LayerCost", "count_macs", "layer_costs"]
