"""MACs of gates, and the sums of herrmann2019, Figure 8."""

import keras
import pytest

from keras_tnn.cost import count_macs
from keras_tnn.gates import (
    Blind,
    BudgetPolicy,
    Convolutional,
    DataDependent,
    DataIndependent,
    Nested,
    Recurrent,
)

# stage: filters, blocks
RESNET50 = ((64, 3), (128, 4), (256, 6), (512, 3))

# herrmann2019, 4.2: expansion factor, filters, blocks, stride; filters that one gate controls
# among a block's inputs, its outputs and its expanded channels
MOBILENET_V2 = (
    (1, 16, 1, 1, 8, 8, 16),
    (6, 24, 2, 2, 8, 8, 24),
    (6, 32, 3, 2, 8, 16, 24),
    (6, 64, 4, 2, 8, 16, 32),
    (6, 96, 3, 1, 16, 32, 48),
    (6, 160, 3, 2, 16, 32, 64),
    (6, 320, 1, 1, 32, 64, 64),
)


def macs_of(gate, *features):
    u, x = keras.Input((), name="u"), keras.Input(features)
    return count_macs(keras.Model([u, x], gate(u, features=x)))


def test_one_group_is_the_gate_of_a_whole_layer():
    # pool + C x 16 + 16 x 2
    assert macs_of(DataDependent(1), 8, 6, 10) == 8 * 6 * 10 + 10 * 16 + 16 * 2


def test_each_group_has_a_network_of_its_own():
    assert macs_of(DataDependent(4), 8, 6, 10) == 8 * 6 * 10 + 4 * (10 * 16 + 16 * 2)
    assert macs_of(DataDependent(4, hidden_units=8), 5, 10) == 5 * 10 + 4 * (10 * 8 + 8 * 2)


def test_features_without_positions_are_not_pooled():
    assert macs_of(DataDependent(4), 10) == 4 * (10 * 16 + 16 * 2)


def test_groups_that_are_always_open_cost_nothing():
    assert macs_of(DataDependent(4, min_groups=3), 10) == macs_of(DataDependent(1), 10)


def test_memory_adds_two_dense_layers():
    plain, memory = macs_of(DataDependent(3), 10), macs_of(DataDependent(3, memory=True), 10)
    assert memory - plain == 2 * (2 * 3) * (2 * 3)  # from 2 x 3 logits to as many, twice


def test_blind_gate_of_the_papers():
    assert macs_of(Blind(48)) == 1 * 32 + 32 * 48  # hostetler2019, A.1: FC(1, 32), FC(32, n)
    assert macs_of(Blind(48, always_open=[0, 16, 32])) == 1 * 32 + 32 * 45


def test_budget_policy_without_its_critic():
    u, image = keras.Input((), name="u"), keras.Input((8, 8, 3))
    policy = BudgetPolicy(36, always_open=[0], hidden_units=10)
    # 3x3 convolutions at 4x4, 2x2 and 1x1; [f(x), c], hidden units, components that may close
    extractor = 16 * 27 * 16 + 4 * 9 * 16 * 32 + 1 * 9 * 32 * 64
    macs = count_macs(keras.Model([u, image], policy(u, image=image)))
    assert macs == extractor + 65 * 10 + 10 * 35


@pytest.mark.parametrize("gate", [DataIndependent(8), Nested(8)])
def test_what_is_known_beforehand_costs_nothing(gate, recwarn):
    assert macs_of(gate) == 0
    assert not recwarn.list  # nor does anybody warn of matrices that are counted as zero


def test_unknown_size():
    with pytest.raises(ValueError, match="Expected an input of fixed shape. Received: sizes"):
        macs_of(DataDependent(2), None, 8, 3)


def resnet50_blocks():
    """Of each block: size and channels of its input, and whether its shortcut is the identity."""
    size, channels = 56, 64
    for stage, (filters, blocks) in enumerate(RESNET50):
        for block in range(blocks):
            yield size, channels, block > 0
            channels = 4 * filters
            size = size // 2 if block == 0 and stage > 0 else size


def test_gates_of_resnet50():
    """8.51 M: each block's input is pooled; in the 12 residual blocks 16 gates read the result.

    "Each gate controls 16, 32, 64 or 128 filters in the four layers' expansions, and half that in
    the contractions" (4.2): of 256 to 2048 channels that is 16 gates a block; of the two
    contractions of 64 to 512 it is 8 and 8, the same number again. Blocks without an identity
    shortcut have no gates, only the pooling.
    """
    macs = 0
    for size, channels, identity in resnet50_blocks():
        macs += macs_of(DataDependent(16), size, size, channels) if identity else 0
        macs += 0 if identity else size * size * channels
    assert macs == 8_509_440
    assert round(macs / 1e6, 2) == 8.51


def mobilenet_v2_blocks(size):
    """Of each block: size of its input; its input, expanded and output channels; and so on."""
    size, channels = size // 2, 32
    for expansion, filters, blocks, stride, *controlled in MOBILENET_V2:
        for block in range(blocks):
            yield size, channels, channels * expansion, filters, block > 0, controlled
            size, channels = size // (stride if block == 0 else 1), filters


@pytest.mark.parametrize("size, paper", [(224, 2.51), (96, 1.72)])
def test_gates_of_mobilenet_v2(size, paper):
    """One reading of 4.2's table gives both figures; it is our reading, the paper does not say.

    Each block's input is pooled once. Output gates read it in every block, input gates in
    residual blocks. Gates of the expanded channels read those, whose pooling is not counted. Of
    the output gates of a block that is not residual one is always open (4.2) and costs nothing.
    """
    macs = 0
    for block in mobilenet_v2_blocks(size):
        side, channels, expanded, filters, residual, controlled = block
        of_input, of_output, of_expanded = controlled
        output = DataDependent(filters // of_output, min_groups=0 if residual else 1)
        macs += macs_of(output, side, side, channels)
        macs += macs_of(DataDependent(channels // of_input), channels) if residual else 0
        macs += macs_of(DataDependent(expanded // of_expanded), expanded)
    assert round(macs / 1e6, 2) == paper


def test_recurrent_gate_is_a_step_of_an_lstm():
    # 4 gates of 10 units, from 10 features and 10 of the state, then a logit; wang2019, IV-A
    assert lstm_step(10) == 4 * 10 * (10 + 10) + 10
    # With the 1x1 convolution in front: less than 1 % of a block of ResNet-34 (III-A).
    assert lstm_step(64) + 64 * 10 < 0.01 * 2 * 56 * 56 * 9 * 64 * 64


def lstm_step(channels):
    u, x = keras.Input((), name="u"), keras.Input((8, 8, channels))
    gate = Recurrent()
    opened, _ = gate(u, features=gate.front(x, "block"))
    model = keras.Model([u, x], opened)
    return count_macs(model) - channels * 10


def test_convolutional_gate_is_an_eighth_of_a_block():
    block = 2 * 8 * 8 * 9 * 16 * 16
    # wang2019, III-A: 12.5 %; the dense layer comes on top.
    assert macs_of(Convolutional(4), 8, 8, 16) == block / 8 + 16 * 4


def test_light_gate_is_an_eighth_of_a_dense_layer():
    layer = 8 * 8 * (100 * 48 + 9 * 48 * 12)  # DenseNet with a growth of 12
    gate = macs_of(Convolutional(12, bottleneck=24), 8, 8, 100)
    # wang2019, Fig. 4: "roughly 11%".
    assert gate == layer / 8 + 12 * 12
