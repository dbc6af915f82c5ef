"""keras-tnn: one trained Keras network whose compute is a dial, `u` in (0, 1]."""

import importlib.util

if importlib.util.find_spec("keras") is None:
    raise ImportError(
        "keras_tnn needs Keras and TensorFlow to build and train models. "
        "Install them with: pip install keras-tnn[train]"
    )

from keras_tnn import (  # noqa: E402
    analysis,
    callbacks,
    controllers,
    cost,
    exits,
    gates,
    layers,
    losses,
    models,
    surgery,
    throttling,
    training,
)
from keras_tnn.analysis import evaluate_exits, evaluate_levels  # noqa: E402
from keras_tnn.cost import count_macs  # noqa: E402
from keras_tnn.exits import add_exits  # noqa: E402
from keras_tnn.surgery import conditional, materialize  # noqa: E402
from keras_tnn.throttling import throttle  # noqa: E402
from keras_tnn.training import ThrottledModel  # noqa: E402

__all__ = [
    "ThrottledModel",
    "add_exits",
    "analysis",
    "callbacks",
    "conditional",
    "controllers",
    "cost",
    "count_macs",
    "evaluate_exits",
    "evaluate_levels",
    "exits",
    "gates",
    "layers",
    "losses",
    "materialize",
    "models",
    "surgery",
    "throttle",
    "throttling",
    "training",
]
