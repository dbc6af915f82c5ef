"""What a model costs as a function of its gates: exact for zeros and ones, smooth between them.

The cost is a polynomial in the gates z that is linear in each. A convolution costs

    positions x (sum over inputs c of prod z) x (sum over outputs c of prod z),

each product over the gates that channel c needs (herrmann2019, 3.4; for a MobileNetV2 block
H W C_exp (C_in + 9 / s^2 + C_out / s^2) with the numbers of active channels). Gates that all
channels of a call need stand before the sums once, so that z^2 does not appear.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import ops

from keras_tnn.cost.energy import EnergyModel
from keras_tnn.cost.extent import Extent
from keras_tnn.cost.gate_sites import GateSite, find_gates, read_values
from keras_tnn.cost.layer_costs import cost_of
from keras_tnn.cost.macs import find_rule, has_matrices, macs_of_call
from keras_tnn.cost.memory import item_bytes, passes_values_on, weight_bytes
from keras_tnn.cost.openings import Closing, Product, simplest
from keras_tnn.gates import Reading
from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.graph import Call, Graph, read_graph

OPEN = frozenset()  # the set of what no gate closes
