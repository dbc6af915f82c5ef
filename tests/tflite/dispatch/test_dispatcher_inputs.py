"""Inputs that a network cannot take are refused, with the way out in the message."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from tnn_tflite import TensorSpec
from tnn_tflite.dispatch.inputs import InputReader, all_finite


@pytest.mark.parametrize(
    "utilization",
    [0, 0.0, -0.5, 1.0001, float("nan"), float("inf"), "0.5", True, 1j, Decimal("0.5")]
    + [np.bool_(True)],
)
def test_utilization(dispatcher, images, utilization):
    message = r"Invalid value for `utilization`. Expected a float in \(0, 1\]. Received: utiliz"
    with pytest.raises(ValueError, match=message):
        dispatcher(images, utilization)
    with pytest.raises(ValueError, match=message):
        dispatcher.level_for(utilization)


def test_utilization_may_be_any_real_number(dispatcher):
    assert dispatcher.level_for(Fraction(1, 2)) == dispatcher.level_for(np.float16(0.5))


@pytest.mark.parametrize(
    "shape", [(8, 8), (3, 8, 8), (8, 8, 4), (2, 8, 8, 4), (2, 2, 8, 8, 3), (8, 8, 3, 1), ()]
)
def test_shape(dispatcher, shape):
    message = r"Expected shape \(8, 8, 3\) for one sample or \(batch, 8, 8, 3\) for a batch"
    with pytest.raises(ValueError, match=message):
        dispatcher(np.zeros(shape, "float32"))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", ">f4", "object"])
def test_dtype(dispatcher, images, dtype):
    message = r"numpy array of dtype float32. Received: dtype=.*Cast it with x.astype\('float32'\)"
    with pytest.raises(ValueError, match=message):
        dispatcher(images.astype(dtype))


def test_pixels_need_scaling(dispatcher):
    with pytest.raises(ValueError, match="dtype=uint8. Cast it .* scaled as in training"):
        dispatcher(np.zeros((8, 8, 3), "uint8"))


@pytest.mark.parametrize("x", [None, "image.png", 0.5, [[[0.0]]]])
def test_no_array(dispatcher, x):
    with pytest.raises(ValueError, match=r"Received: \w+. Make one with np.asarray\(x, 'float32'"):
        dispatcher(x)


def test_what_is_masked_is_no_data(dispatcher, images):
    masked = np.ma.masked_invalid(np.where(images > 0.5, np.nan, images))
    for x in (masked, masked.astype("float64"), np.ma.array(images)):
        with pytest.raises(ValueError, match="a masked array. Fill in what is masked"):
            dispatcher(x)


def test_subclasses_are_no_arrays_but_what_is_mapped_from_a_file(dispatcher, images, tmp_path):
    with pytest.raises(ValueError, match=r"Received: Own. Make one with np.asarray"):
        dispatcher(images.view(type("Own", (np.ndarray,), {})))
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(dispatcher(mapped), dispatcher(images))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(dispatcher, images, value):
    images = images.copy()
    images[3, 1, 2, 0] = value
    counts = "1 NaN and 0 infinite" if np.isnan(value) else "0 NaN and 1 infinite"
    with pytest.raises(ValueError, match=rf"{counts} values, the first at index \(3, 1, 2, 0\)"):
        dispatcher(images)
    with pytest.raises(ValueError, match=r"the first at index \(1, 2, 0\)"):
        dispatcher(images[3])


def test_infinities_that_cancel(dispatcher, images):
    images = images.copy()
    images[0, 0, 0, :2] = np.inf, -np.inf
    with pytest.raises(ValueError, match="0 NaN and 2 infinite values"):
        dispatcher(images)


def test_a_sum_that_overflows_is_no_error(dispatcher):
    """Large numbers are finite even where their sum is not."""
    dispatcher(np.full((8, 8, 3), 3e38, "float32"))


FLOATS = st.floats(width=32) | st.sampled_from([3e38, -3e38]).map(np.float32)


@given(numpy_strategies.arrays("float32", numpy_strategies.array_shapes(), elements=FLOATS))
def test_all_finite_agrees_with_isfinite(array):
    assert all_finite(array) == bool(np.isfinite(array).all())
    assert all_finite(array.T) == all_finite(array)


IMAGE = TensorSpec("image", (2, 2), "float32")
AGE = TensorSpec("age", (), "int32")
ONE = {"image": np.zeros((2, 2), "float32"), "age": np.array(3, "int32")}
THREE = {"image": np.zeros((3, 2, 2), "float32"), "age": np.array([3, 4, 5], "int32")}


@pytest.mark.parametrize("x", [ONE, [ONE["image"], ONE["age"]], (ONE["image"], ONE["age"])])
def test_several_inputs_one_sample(x):
    (image, age), batched = InputReader([IMAGE, AGE])(x)
    assert (image.shape, age.shape, batched) == ((1, 2, 2), (1,), False)


def test_several_inputs_batch():
    (image, age), batched = InputReader([IMAGE, AGE])(THREE)
    assert (image.shape, age.shape, batched) == ((3, 2, 2), (3,), True)


@pytest.mark.parametrize("x", [{"image": ONE["image"]}, {**ONE, "extra": ONE["age"]}, {}])
def test_wrong_names(x):
    with pytest.raises(ValueError, match=r"the keys \['image', 'age'\]. Received: the keys \["):
        InputReader([IMAGE, AGE])(x)


@pytest.mark.parametrize(
    ("x", "received"), [(ONE["image"], "ndarray"), ([ONE["image"]], "1 arrays"), ([], "0 arrays")]
)
def test_wrong_number_of_inputs(x, received):
    with pytest.raises(ValueError, match=f"a list of 2 arrays in this order. Received: {received}"):
        InputReader([IMAGE, AGE])(x)


@pytest.mark.parametrize("age", [ONE["age"], THREE["age"][:2]])
def test_batches_of_different_sizes(age):
    message = "Expected one sample of every input, or batches of one size. Received: a batch of 3"
    with pytest.raises(ValueError, match=message):
        InputReader([IMAGE, AGE])([THREE["image"], age])


def test_error_names_the_input():
    with pytest.raises(ValueError, match=r"Invalid value for `x\['age'\]`. .* dtype int32"):
        InputReader([IMAGE, AGE])([ONE["image"], np.array(3.0)])
