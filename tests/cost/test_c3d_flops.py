"""C3D-W of liu2022 against the arithmetic that the paper prints (Tables 3, 4 and 6)."""

import pytest

from keras_tnn.cost import layer_costs
from keras_tnn.cost.layer_costs import sum_of
from keras_tnn.models import C3D

# Output positions of Table 4: conv1 to conv8, then the poolings.
CONVOLUTIONS = (256_000, 64_000, 8_000, 8_000, 960, 960, 120, 120)
CHANNELS = (3, 64, 128, 256, 256, 512, 512, 512, 512)
POOLINGS = {64: (16 * 50 * 80,), 128: (8 * 25 * 40,), 256: (4 * 12 * 20,), 512: (2 * 6 * 10, 15)}


@pytest.fixture(scope="module")
def costs():
    return layer_costs(C3D((16, 100, 160, 3), 27, throttled=False))


def test_parameters_of_table_6(costs):
    assert sum_of(costs).parameters == 31_865_115  # printed: 31.865 M


def test_convolutions_and_dense_layers_by_table_3(costs):
    kernels = [27 * a * b for a, b in zip(CHANNELS, CHANNELS[1:], strict=False)]
    convolutions = [2 * k * n for k, n in zip(kernels, CONVOLUTIONS, strict=True)]
    dense = [2 * 15 * 512 * 512, 2 * 512 * 512, 2 * 512 * 27]
    counted = [cost.flops for cost in costs if cost.flops]
    assert counted == convolutions + dense
    assert sum(counted) == 97_223_207_936


def test_pooling_by_table_3(costs):
    expected = [2 * channels * out for channels, outs in POOLINGS.items() for out in outs]
    assert [cost.pooling_flops for cost in costs if cost.pooling_flops] == expected
    assert sum(expected) == 10_869_760


def test_what_is_not_gated_is_the_first_convolution(costs):
    assert round(costs[0].flops / 1e9, 3) == 2.654  # as printed below Table 4


def test_distance_to_the_printed_total(costs):
    """The paper prints 97.406 G, of it 94.752 G throttleable: 0.172 G more than its rules give."""
    total = sum_of(costs)
    assert total.flops_with_pooling == 97_234_077_696
    missing = 97.406 - total.flops_with_pooling / 1e9
    assert missing == pytest.approx(0.172, abs=0.0005)  # a printed number is rounded by so much
    throttleable = total.flops_with_pooling - costs[0].flops
    # The same amount is missing here, so it lies in the throttleable part; two roundings.
    assert 94.752 - throttleable / 1e9 == pytest.approx(missing, abs=0.001)


def test_biases_and_activations_do_not_account_for_it(costs):
    """No whole number of FLOPs a value of the convolutions gives what is missing."""
    values = sum(cost.activation_bytes // 4 for cost in costs if cost.kind == "Conv3D")
    gated = values - costs[0].activation_bytes // 4
    missing = 97.406e9 - sum_of(costs).flops_with_pooling
    assert not [n for n in range(20) if abs(n * values - missing) < 0.5e6]
    assert not [n for n in range(20) if abs(n * gated - missing) < 0.5e6]
