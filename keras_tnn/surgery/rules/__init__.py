"""One file a family of layers. Importing this package registers all rules."""

from keras_tnn.surgery.rules import (  # noqa: F401
    convolution,
    dense,
    elementwise,
    gating,
    grouped,
    joining,
    normalization,
    obeying,
    per_channel,
    reshaping,
    whole,
)
