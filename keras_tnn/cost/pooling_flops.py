"""The FLOPs that liu2022 (Table 3) counts and MACs do not: those of pooling.

Table 3 has three rules. A convolution costs 2 x kernels x kernel shape x output shape and a fully
connected layer 2 x input size x output size: both are 2 x MACs. A pooling layer costs 2 x output
channels x output size: 2 for each value that it writes, whatever its window. Biases, activations
and normalisations cost nothing. The table names 2-D pooling; all ranks are counted alike here.

C3D-W (Table 4) by these rules, checked in tests/cost/test_c3d_flops.py:

    convolutions and dense layers     97.223 G    (conv1, which is not gated: 2.654 G, as printed)
    pooling                            0.011 G
    together                          97.234 G
    printed in Table 6                97.406 G    (94.752 G throttleable + 2.654 G not gated)

0.172 G (0.18 %) of the printed total stays unexplained. The kernels are right, because the
31.865 M parameters are met exactly and so is conv1 alone. Biases, ReLU or batch normalisation at
any whole number of FLOPs a value do not give it either: a value of every convolution is 0.0298 G,
of the gated ones 0.0134 G.
"""

import math

from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.registry import rule_of


def pooling_flops(call: Call) -> int:
    """2 x the values that a pooling layer writes for a batch of one; zero for other layers."""
    return 2 * math.prod(call.output.shape[1:]) if rule_of(call).pools else 0
