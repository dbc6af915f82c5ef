"""Integers that stand for real numbers, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnn_tflite.bundle.programs import Quantization
from tnn_tflite.quantized_values import dequantize, quantize


@given(st.floats(1e-4, 1e2), st.integers(-128, 127))
def test_every_integer_comes_back(scale, zero_point):
    quantization = Quantization(scale, zero_point)
    integers = np.arange(-128, 128, dtype="int8")
    reals = dequantize(integers, quantization)
    np.testing.assert_array_equal(quantize(reals, quantization, "int8"), integers)


@given(st.floats(-10.0, 10.0))
def test_nearest_integer_and_within_range(x):
    quantization = Quantization(0.05, 10)  # -6.9 to 5.85
    q = quantize(np.array([x]), quantization, "int8")
    # float32 has 24 bits: 1e-6 for numbers up to 10.
    error = abs(float(dequantize(q, quantization)[0]) - min(max(x, -6.9), 5.85))
    assert error <= 0.025 + 1e-6


def test_by_hand():
    """real = scale * (integer - zero_point)"""
    assert dequantize(np.array([130], "uint8"), Quantization(0.5, 128)).tolist() == [1.0]
    assert quantize(np.array([1.0, 1e9]), Quantization(0.5, 128), "uint8").tolist() == [130, 255]


def test_no_integer_stands_for_nan():
    with pytest.raises(ValueError, match="`x`. Expected numbers. Received: 1 NaN"):
        quantize(np.array([0.0, np.nan]), Quantization(0.5, 0), "int8")
