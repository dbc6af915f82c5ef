"""Surgery cuts: a throttled model and a utilization become a plain, smaller Keras model."""

from keras_tnn.surgery.conditional import conditional
from keras_tnn.surgery.cut import Cut
from keras_tnn.surgery.gate_calls import GateCall, gate_calls, gates_of
from keras_tnn.surgery.gate_fronts import layers_of_gates
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.materialize import cut_out, materialize
from keras_tnn.surgery.policy_apart import policy_apart
from keras_tnn.surgery.recalibrate import recalibrate
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Kept, Rule
from keras_tnn.surgery.rules.convolution import Mixing
from keras_tnn.surgery.rules.elementwise import Elementwise
from keras_tnn.surgery.rules.per_channel import PerChannel
from keras_tnn.surgery.segments import Origin, Segment, run_segments, segments
from keras_tnn.surgery.slices import Slice
from keras_tnn.surgery.twins import copy_weights

__all__ = [
    "Cut",
    "GateCall",
    "Elementwise",
    "Kept",
    "Mixing",
    "Origin",
    "PerChannel",
    "Rule",
    "Segment",
    "Slice",
    "conditional",
    "copy_weights",
    "cut_out",
    "gate_calls",
    "gates_of",
    "layers_of_gates",
    "materialize",
    "policy_apart",
    "read_graph",
    "recalibrate",
    "rule",
    "run_segments",
    "segments",
]
