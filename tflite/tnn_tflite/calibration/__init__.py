"""What each level of a bundle takes on this device: measured, stored and read with distrust."""

from tnn_tflite.calibration.calibrate import calibrate
from tnn_tflite.calibration.table import Conditions, DeviceTable, LevelMeasurement

__all__ = ["Conditions", "DeviceTable", "LevelMeasurement", "calibrate"]
