"""Ship a throttled Keras network and run it on a device.

`convert` writes a bundle: a folder with one `.tflite` file a level and a `manifest.json`.
`Dispatcher` opens a bundle, picks the level for a utilization and runs it.

Importing this package and dispatching need numpy and one TFLite interpreter.
Only `convert` imports Keras and TensorFlow, when it is called.
"""

from tnn_tflite.bundle import Bundle, Level, TensorSpec
from tnn_tflite.comparison import ComparedLevel, Comparison, compare
from tnn_tflite.converter import convert
from tnn_tflite.dispatcher import Dispatcher
from tnn_tflite.errors import BundleError
from tnn_tflite.manifest import read_bundle

__all__ = [
    "Bundle",
    "BundleError",
    "ComparedLevel",
    "Comparison",
    "Dispatcher",
    "Level",
    "TensorSpec",
    "compare",
    "convert",
    "read_bundle",
]
