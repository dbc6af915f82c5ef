"""int8 levels by hand: a kernel, its scales and its bias on the grid of the full level.

The levels are one dense layer, quantised here, so every number can be checked by hand.
"""

import io

import flatbuffers
import numpy as np
import pytest

from one_file_networks import own_files
from tnn_tflite.conversion.converted_level import ConvertedLevel
from tnn_tflite.sharing.constants import TFLiteFile
from tnn_tflite.sharing.kernels import Kernel
from tnn_tflite.sharing.pairs import pairs
from tnn_tflite.sharing.plan import read_entry
from tnn_tflite.sharing.schema import load_schema
from tnn_tflite.sharing.share import share

INPUT_SCALE = 0.5
KERNEL = np.random.default_rng(0).uniform(-1, 1, (32, 16)).astype("float32")  # Keras: (in, out)


def dense_file(kernel, bias, scales=None, bias_scales=None, twin=None):
    """A TFLite file with one dense layer, float32 without scales, else int8.

    With a twin there is a second layer: with a kernel of the same numbers and a bias of its own
    (twin="kernel"), whose numbers may be stored once ("buffer"); with the same bias and a kernel of
    half the size ("half") or twice the size ("twice"); or one that reads the first one's kernel as
    its input ("reader").
    """
    schema = load_schema()
    model, graph = schema.ModelT(), schema.SubGraphT()
    types = schema.TensorType
    small, large = (types.FLOAT32,) * 2 if scales is None else (types.INT8, types.INT32)
    units, size = kernel.shape
    values = [kernel, bias, kernel, bias]
    size_of_twin = {"half": 0.5, "twice": 2.0}.get(twin, 1.0)
    if scales is None:
        values[2] = kernel * np.float32(size_of_twin)
    other = scales if scales is None else [scale * size_of_twin for scale in scales]
    model.buffers = [schema.BufferT() for _ in range(5)]
    graph.tensors = [
        tensor(schema, (1, size), small, 0, scales is not None and [INPUT_SCALE]),
        tensor(schema, (units, size), small, 1, scales),
        tensor(schema, (units,), large, 2, bias_scales),
        tensor(schema, (1, units), small, 0, scales is not None and [1.0]),
        tensor(schema, (units, size), small, 3, other),
        tensor(schema, (units,), large, 2 if twin == "buffer" else 4, bias_scales),
    ]
    for buffer, array in zip(model.buffers[1:], values, strict=True):
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    inputs = {"half": [0, 4, 2], "twice": [0, 4, 2], "reader": [1, 4, 5]}
    graph.operators = []
    for one in [[0, 1, 2]] if twin is None else [[0, 1, 2], inputs.get(twin, [0, 4, 5])]:
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = one, [3]
        graph.operators.append(operator)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    graph.inputs, graph.outputs = [0], [3]
    model.subgraphs, model.operatorCodes, model.version = [graph], [code], 3
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tensor(schema, shape, kind, buffer, scales):
    result = schema.TensorT()
    result.shape, result.type, result.buffer = list(shape), kind, buffer
    if scales is not None and scales is not False:
        result.quantization = schema.QuantizationParametersT()
        result.quantization.scale = [float(scale) for scale in scales]
    return result


def level(utilization, units, factor, bias, per_channel=True, twin=None, mean=None):
    """The first `units` of the dense layer, with a folded factor for each of them."""
    own = KERNEL[:, :units]
    folded = (own * factor.astype("float32")).T.copy()
    peak = np.abs(folded).max(axis=1 if per_channel else None, keepdims=True)
    scales = np.where(peak > 0, peak / 127, 1).astype("float32").reshape(-1)
    grid = np.rint(folded / scales[:, None]).astype("i1")
    bias_scales = scales * np.float32(INPUT_SCALE)
    integers = np.clip(np.rint(bias / bias_scales), -(2**31), 2**31 - 1).astype("<i4")
    float_content = dense_file(folded, bias.astype("float32"), twin=twin)
    (graph,) = TFLiteFile(float_content).graphs
    kernels = [kernel.constant.at for kernel, _ in graph.kernels]
    means = {} if mean is None else {at: [mean] for at in kernels}
    return ConvertedLevel(
        utilization=utilization,
        content=dense_file(grid, integers, scales, bias_scales, twin),
        inputs=(),
        outputs=(),
        macs=1,
        parameters=1,
        float_content=float_content,
        means=means,
        kernels=(Kernel(own),),
    )


def arrays_of(content):
    (graph,) = TFLiteFile(content).graphs
    _, kernel, bias, *_ = graph.tensors
    return kernel.constant.array, kernel.scales.array, bias.constant.array, bias.scales.array


FULL = level(1.0, 16, np.ones(16), np.zeros(16))


SIZE = len(level(0.5, 8, np.ones(8), np.ones(8)).content)


def regridded(factor, bias, full=FULL, **options):
    """The arrays of a level of 8 units: kernel, its scales, bias, its scales."""
    content, _ = own_files([level(0.5, 8, factor, bias, **options), full])
    return arrays_of(content)


def test_scales_take_the_factor_and_signs_turn_integers():
    factor = np.array([1, -1, 2, -0.5, 4, 0.25, 1, 1])
    bias = np.linspace(-3, 3, 8)
    kernel, scales, integers, bias_scales = regridded(factor, bias)
    whole, whole_scales, _, _ = arrays_of(FULL.content)
    np.testing.assert_array_equal(kernel, whole[:8] * np.sign(factor)[:, None])
    # The nearest scale is not the factor itself: integers are off by up to half a step.
    np.testing.assert_allclose(scales, whole_scales[:8] * np.abs(factor), rtol=5e-3)
    np.testing.assert_array_equal(bias_scales, scales * np.float32(0.5))
    np.testing.assert_array_equal(integers, np.rint(bias / bias_scales.astype("f8")))


def test_no_other_scale_is_nearer_to_the_float_kernel():
    factor = np.random.default_rng(1).uniform(0.3, 3, 8)
    kernel, scales, _, _ = regridded(factor, np.zeros(8))
    reals = (KERNEL[:, :8] * factor).T

    def error(scales):
        return np.square(kernel * scales[:, None] - reals).sum(axis=1)

    # float16 keeps a factor to one part in 2048; a tenth of a percent off is worse.
    assert (error(scales) < error(scales * 1.001)).all()
    assert (error(scales) < error(scales * 0.999)).all()


def test_factors_beyond_float16():
    factor = np.full(8, 1e-6)
    _, scales, _, _ = regridded(factor, np.zeros(8))
    np.testing.assert_allclose(scales, arrays_of(FULL.content)[1][:8] * 1e-6, rtol=5e-3)


def test_a_dead_channel_is_zero_and_its_scale_is_not():
    factor = np.array([0, 1, 1, 1, 1, 1, 1, 1])
    kernel, scales, _, _ = regridded(factor, np.zeros(8))
    assert not kernel[0].any() and kernel[1:].any(axis=1).all()
    assert (scales > 0).all()
    entry = read_entry(io.BytesIO(share([level(0.5, 8, factor, np.zeros(8)), FULL])), 0, SIZE)
    assert [hole.source for hole in entry.holes if hole.shape == (8, 32)] == ["base"]


@pytest.mark.parametrize("bias", [1e12, np.inf], ids=["too large", "infinite"])
def test_a_bias_that_overflows_keeps_the_level_as_it_is(bias):
    own = level(0.5, 8, np.full(8, 2.0), np.r_[bias, np.zeros(7)])
    content, _ = own_files([own, FULL])
    assert content == own.content


def test_one_scale_for_all_channels():
    """It takes a factor that all channels have, and no other."""
    full = level(1.0, 16, np.ones(16), np.zeros(16), per_channel=False)
    half = level(0.5, 8, np.full(8, 0.5), np.ones(8), per_channel=False)
    kernel, scales, _, _ = arrays_of(own_files([half, full])[0])
    whole, whole_scales, _, _ = arrays_of(full.content)
    np.testing.assert_array_equal(kernel, whole[:8])
    np.testing.assert_array_equal(scales, whole_scales * np.float32(0.5))
    other = level(0.5, 8, np.arange(1, 9), np.ones(8), per_channel=False)
    assert own_files([other, full])[0] == other.content


def test_integers_are_stored_once():
    shared = share([level(0.5, 8, np.full(8, 2.0), np.ones(8)), FULL])
    entry = read_entry(io.BytesIO(shared), 0, SIZE)
    taken = [hole for hole in entry.holes if hole.shape == (8, 32)]
    assert [(hole.source, hole.whole, hole.factor) for hole in taken] == [("base", (16, 32), None)]


def test_layers_with_equal_kernels_share_the_numbers_of_one():
    """Each of the two int8 kernels stands for one of the two float kernels, not twice for one."""
    full = level(1.0, 16, np.ones(16), np.zeros(16), twin="kernel")
    own = level(0.5, 8, np.full(8, 2.0), np.ones(8), twin="kernel")
    entry = read_entry(io.BytesIO(share([own, full])), 0, len(own.content))
    assert sum(hole.shape == (8, 32) for hole in entry.holes) == 2


@pytest.mark.parametrize("twin", ["half", "reader"])
def test_what_another_layer_reads_too_stays_as_it_is(twin):
    """A bias on a new grid, or a kernel with new scales, would change that layer."""
    full = level(1.0, 16, np.ones(16), np.zeros(16), twin=twin)
    own = level(0.5, 8, np.full(8, 2.0), np.ones(8), twin=twin)
    (graph,) = TFLiteFile(own_files([own, full])[0]).graphs
    (as_it_was,) = TFLiteFile(own.content).graphs
    for after, before in zip(graph.tensors[1:3], as_it_was.tensors[1:3], strict=True):
        np.testing.assert_array_equal(after.constant.array, before.constant.array)
        np.testing.assert_array_equal(after.scales.array, before.scales.array)


def test_biases_take_back_the_shift_of_the_mean():
    """By hand: what (W - W_q) makes of the mean, on the bias's own grid."""
    factor, mean = np.random.default_rng(1).uniform(0.3, 3, 8), np.linspace(0, 2, 32)
    kernel, scales, plain, _ = regridded(factor, np.ones(8))
    _, _, integers, bias_scales = regridded(factor, np.ones(8), mean=mean)
    error = (KERNEL[:, :8] * factor).T - kernel * scales[:, None]
    # The factor is folded in float32.
    np.testing.assert_allclose(
        integers * bias_scales, 1 + error @ mean, atol=0.51 * bias_scales.max()
    )
    assert np.abs(integers - plain).max() > 2


def test_zeros_that_layers_share_stay_zeros():
    """Their kernels are shared all the same; only the shift is left out."""
    full = level(1.0, 16, np.ones(16), np.zeros(16), twin="buffer")
    own = level(0.5, 8, np.linspace(0.3, 3, 8), np.zeros(8), twin="buffer", mean=np.full(32, 20.0))
    shared = share([own, full])
    entry = read_entry(io.BytesIO(shared), 0, len(own.content))
    assert [hole.source for hole in entry.holes if hole.shape == (8, 32)] == ["base"] * 2
    assert not arrays_of(own_files([own, full])[0])[2].any()


def test_kernels_are_paired_by_their_numbers_not_by_their_order():
    """The int8 file has W and W / 2, the float32 file W / 2 and W."""
    own = level(0.5, 8, np.ones(8), np.zeros(8), twin="half")
    halves = KERNEL[:, :8].T / np.float32(2)
    float_file = TFLiteFile(dense_file(halves.copy(), np.zeros(8, "float32"), twin="twice"))
    found = pairs(TFLiteFile(own.content), float_file)
    first, second = (float_file.graphs[0].tensors[k].constant.at for k in (1, 4))
    assert (found[first].kernel.number, found[second].kernel.number) == (4, 1)
