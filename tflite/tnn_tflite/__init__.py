"""Ship a throttled Keras network and run it on a device.

`convert` writes a bundle: a folder with the levels as TFLite files, or one file that holds them
all, and a `manifest.json`. `Dispatcher` opens a bundle, picks the level for a utilization, a budget
or a policy, and runs it.

Importing this package and dispatching need numpy and one TFLite interpreter.
Only `convert`, `replace_controller`, `compare` and `load_model` import Keras and TensorFlow, when
they are called.
"""

from tnn_tflite import policies
from tnn_tflite.bundle.description import Bundle, Preprocessing, SharedFile
from tnn_tflite.bundle.exit_level import ExitLevel
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import Edge, Level, Program, Quantization, TensorSpec
from tnn_tflite.conversion.comparison import ComparedLevel, Comparison, compare
from tnn_tflite.conversion.controller import replace_controller
from tnn_tflite.conversion.converter import convert
from tnn_tflite.conversion.model_file import load_model
from tnn_tflite.dispatch.bundle_table import BundleRow, BundleTable
from tnn_tflite.dispatch.calibrate import calibrate
from tnn_tflite.dispatch.compare_bundles import BundleComparison, BundlePair, compare_bundles
from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.dispatch.evaluate_bundle import evaluate_bundle
from tnn_tflite.dispatch.result import Result
from tnn_tflite.errors import BundleError
from tnn_tflite.latency.table import DeviceTable
from tnn_tflite.outputs.classification import ScoredClass, top_classes
from tnn_tflite.outputs.detection import (
    DetectedObject,
    decoded_boxes,
    detected_objects,
    read_detections,
)
from tnn_tflite.quantized_values import dequantize, quantize

__all__ = [
    "Bundle",
    "BundleComparison",
    "BundleError",
    "BundlePair",
    "BundleRow",
    "BundleTable",
    "ComparedLevel",
    "Comparison",
    "DetectedObject",
    "DeviceTable",
    "Dispatcher",
    "Edge",
    "ExitLevel",
    "Level",
    "Preprocessing",
    "Program",
    "Quantization",
    "Result",
    "ScoredClass",
    "SharedFile",
    "TensorSpec",
    "calibrate",
    "compare",
    "compare_bundles",
    "convert",
    "dequantize",
    "decoded_boxes",
    "detected_objects",
    "evaluate_bundle",
    "load_model",
    "policies",
    "quantize",
    "read_bundle",
    "read_detections",
    "replace_controller",
    "top_classes",
]
