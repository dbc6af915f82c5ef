"""Weights of tests: norms and biases at random, so that constants matter."""

import numpy as np
from keras import layers


def randomized(model, seed=0):
    """The model, its norms and biases set at random."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        last = weight.path.split("/")[-1]
        if last in ("gamma", "moving_variance", "variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif len(weight.shape) == 1 or last == "alpha":
            weight.assign(rng.normal(0, 0.5, weight.shape))
    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model
