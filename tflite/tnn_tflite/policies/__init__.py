"""Who picks the level: small objects that look at the levels and at what was measured.

A policy of your own is a subclass of `Policy` with one method, `choose`; see `policy.py`.
"""

from tnn_tflite.policies.accuracy_floor import AccuracyFloor
from tnn_tflite.policies.battery import Battery
from tnn_tflite.policies.fixed import FixedUtilization
from tnn_tflite.policies.from_function import FromFunction
from tnn_tflite.policies.latency_budget import LatencyBudget
from tnn_tflite.policies.latency_target import LatencyTarget
from tnn_tflite.policies.mean_latency import MeanLatency
from tnn_tflite.policies.policy import Choice, KnownLevel, Policy
from tnn_tflite.policies.thermal import Thermal

__all__ = [
    "AccuracyFloor",
    "Battery",
    "Choice",
    "FixedUtilization",
    "FromFunction",
    "KnownLevel",
    "LatencyBudget",
    "LatencyTarget",
    "MeanLatency",
    "Policy",
    "Thermal",
]
