"""Every kind of layer costs as a function of gates what the cut network costs.

One rule a kind says what is kept; these tests are red where its answers differ: the network that
`materialize` builds, and the MACs and Joules that are counted from gates alone.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import keras_tnn as tnn
from keras_tnn.cost import count_macs, energy, gated_energy, gated_macs, layer_costs
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.registry import RULES, is_ours
from layer_kinds import COLOURS, NARROWS, UNFOLLOWED, WHOLE
from random_weights import randomized

CASES = {**NARROWS, **WHOLE, **UNFOLLOWED, **COLOURS}


def between_two(rank, between) -> keras.Model:
    """A convolution of 16 filters, the layer in question, a dense layer of 8 and another."""
    image = keras.Input((6,) * rank + (3,))
    x = getattr(layers, f"Conv{rank}D")(16, 3, padding="same")(image)
    x = layers.Dense(8)(layers.Flatten()(between(x)))
    return randomized(keras.Model(image, layers.Dense(3)(x)))


@pytest.mark.filterwarnings("ignore:No rule is known for the layers")
@pytest.mark.parametrize("name", [name for name in CASES if "activation_" not in name])
def test_gates_cost_what_the_cut_network_costs(name):
    plain = between_two(*CASES[name])
    # Keras 3.15 cannot run `ops.conv_transpose` of a functional model, plain or throttled.
    model = tnn.throttle(plain, num_groups=4, gate=tnn.gates.DataIndependent, check=False)
    macs, joules = gated_macs(model), gated_energy(model)
    for pattern in ([1, 0, 0, 0], [1, 0, 1, 1], [1, 1, 1, 1]):
        # Heads are few: their gates have as many groups as there are heads.
        of_sites = {site.name: pattern[: site.gate.num_groups] for site in macs.sites}
        small = tnn.materialize(model, gates=of_sites)
        row = np.array([[g for one in of_sites.values() for g in one]], "float32")
        assert float(macs(row)[0]) == count_macs(small)
        np.testing.assert_allclose(float(joules(row)[0]), energy(small), rtol=1e-6)  # float32


def used_keys() -> set:
    """The keys of the rules of all calls in the networks of the cases."""
    kinds = set()
    for rank, between in CASES.values():
        for call in read_graph(between_two(rank, between)).calls:
            kinds.update(type(call.operation).__mro__)
    names = {kind.__name__ for kind in kinds if kind.__module__.split(".")[0] == "keras"}
    return {key for key in RULES if key in kinds or key in names}


# These do not stand between two layers of images: the test that has them, and by which word.
ELSEWHERE = {
    "Embedding": ("cost/test_macs.py", "layers.Embedding("),
    "ReversibleEmbedding": ("cost/test_macs.py", "ReversibleEmbedding"),
    "CategoryEncoding": ("cost/test_kinds.py", "layers.CategoryEncoding("),
    "Blind": ("cost/rules/test_gate_macs.py", "Blind"),
    "BudgetPolicy": ("cost/rules/test_gate_macs.py", "BudgetPolicy"),
    "Convolutional": ("cost/rules/test_gate_macs.py", "Convolutional"),
    "DataDependent": ("cost/rules/test_gate_macs.py", "DataDependent"),
    "DataIndependent": ("cost/gated_networks.py", "DataIndependent"),
    "Recurrent": ("cost/rules/test_gate_macs.py", "Recurrent"),
    "ChannelGate": ("cost/gated_networks.py", "ChannelGate("),
    "ResidualGate": ("cost/gated_networks.py", "ResidualGate("),
    "GroupedSum": ("cost/gated_networks.py", "GroupedSum("),
    "Throttleable": ("cost/gated_networks.py", "ThrottleableConv2D("),
    "OpenNormalization": ("layers/test_throttleable_normalization.py", "ThrottleableRMS"),
    "ThrottleableGroupNormalization": (
        "layers/test_throttleable_normalization.py",
        "ThrottleableGroupNormalization",
    ),
    "BroadcastTo": ("surgery/test_layer_kinds.py", "broadcast_to"),
    "ThrottleableHeads": (
        "layers/test_throttleable_attention.py",
        "ThrottleableMultiHeadAttention",
    ),
    "ConditionalSum": ("surgery/test_conditional.py", "ConditionalSum"),
    "HardGate": ("surgery/test_conditional.py", "macs_of_call"),
    "CustomScaleLayer": ("throttling/test_keras_applications.py", "InceptionResNetV2"),
    "LayerScale": ("throttling/test_keras_applications.py", "ConvNeXt"),
    "ForEachSample": ("surgery/test_composite.py", "token"),
    "Parameter": ("surgery/test_composite.py", "gamma"),
    "StochasticDepth": ("throttling/test_keras_applications.py", "ConvNeXt"),
}


def test_every_registered_kind_has_a_network():
    # Other tests register kinds of their own.
    ours = {key for key in RULES if isinstance(key, str) or is_ours(key)}
    missing = {getattr(key, "__name__", key) for key in ours - used_keys()}
    assert missing == ELSEWHERE.keys(), "add a case to layer_kinds.py"
    tests = Path(__file__).parents[1]
    for file, word in ELSEWHERE.values():
        assert word in (tests / file).read_text(encoding="utf-8"), file


def test_categories_are_kept_whole():
    numbers = keras.Input((4,), dtype="int32")
    x = keras.layers.Dense(8)(keras.layers.CategoryEncoding(5)(numbers))
    model = tnn.throttle(keras.Model(numbers, keras.layers.Dense(3)(x)), num_groups=4)
    small = tnn.materialize(model, 0.5)
    assert count_macs(small) == 5 * 4 + 4 * 3
    assert sum(one.moved_bytes for one in layer_costs(small)) == 4 * (
        (4 + 5) + (5 * 4 + 4 + 5 + 4) + (4 * 3 + 3 + 4 + 3)
    )
