"""Who picks the level: small objects that look at the levels and at what was measured.

A policy of your own is a subclass of `Policy` with a method `choose`, and with `observe` if it
learns; see `policy.py`.
"""

from tnn_tflite.policies.accuracy_floor import AccuracyFloor
from tnn_tflite.policies.battery import Battery
from tnn_tflite.policies.certainty import certainty_of
from tnn_tflite.policies.escalate import Escalate
from tnn_tflite.policies.fixed import Fixed
from tnn_tflite.policies.from_function import FromFunction
from tnn_tflite.policies.latency_budget import LatencyBudget
from tnn_tflite.policies.latency_target import LatencyTarget
from tnn_tflite.policies.mean_latency import MeanLatency
from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy
from tnn_tflite.policies.thermal import Thermal

__all__ = [
    "AccuracyFloor",
    "Battery",
    "Choice",
    "Escalate",
    "Fixed",
    "FromFunction",
    "Inputs",
    "KnownLevel",
    "LatencyBudget",
    "LatencyTarget",
    "MeanLatency",
    "Policy",
    "Thermal",
    "certainty_of",
]
