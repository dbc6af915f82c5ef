"""One file a family of layers. Importing this package registers all rules."""

from keras_tnn.surgery.rules import (  # noqa: F401
    attention,
    conditional_sum,
    convolution,
    dense,
    elementwise,
    gates,
    gating,
    grouped,
    joining,
    kept_gates,
    looking_up,
    normalization,
    parameter,
    per_channel,
    products,
    reading_all,
    recurrent,
    reshaping,
    wrappers,
)
