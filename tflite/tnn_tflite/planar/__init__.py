"""3-D networks as 2-D ones, exactly: what a clip's network becomes before TFLite converts it.

TFLite has no 3-D max pooling, runs 3-D convolutions in float32 only and hands neither to its fast
kernels. All of them can be written as 2-D layers over the frames of the clip: a convolution reads
the frames it needs stacked as channels, and pooling works on space first and on time after.

A layer of your own that treats every position alike needs one line,
`rewrites(MyLayer)(per_position)`; one for which TFLite has operators with five axes,
`rewrites(MyLayer)(as_it_is)`.

Loaded by the converter when it runs, as it needs Keras.
"""

from tnn_tflite.planar.clip import Clip
from tnn_tflite.planar.per_position import as_it_is, per_position
from tnn_tflite.planar.registry import rewrites
from tnn_tflite.planar.rewrite import to_planar

__all__ = ["Clip", "as_it_is", "per_position", "rewrites", "to_planar"]
