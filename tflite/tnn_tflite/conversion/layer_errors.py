"""Where a quantized level differs most from its float32 file, tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnn_tflite.bundle.programs import Quantization
from tnn_tflite.dispatch.interpreter import Runtime, keeping_every_tensor
from tnn_tflite.quantized_values import dequantize, quantize

QUANTIZED = ("int8", "uint8", "int16", "float16")


def layer_errors(
    float_content: bytes,
    content: bytes,
    samples: Sequence[Mapping[str, np.ndarray]],
    layers: Collection[str],
    runtime: Runtime,
) -> dict[str, float]:
    """Runs both files without delegates and compares what each layer puts out.

    Args:
        float_content: The level's float32 file.
        content: Its quantized file.
        samples: At least two that differ; for each the inputs by name, float32, without a batch
            axis.
        layers: Names of the layers of the Keras level.
        runtime: Makes the interpreters.

    Returns:
        By layer the largest difference, relative to the range of the float32 output. Only layers
        that both files name: a converter fuses some into others.
    """
    real, near = (_Traced(one, samples[:2], layers, runtime) for one in (float_content, content))
    found: dict[str, _Range] = {}
    for sample in samples:
        exact, rounded = real.run(sample), near.run(sample)
        for layer in exact.keys() & rounded.keys():
            if exact[layer].shape == rounded[layer].shape:
                found.setdefault(layer, _Range()).see(exact[layer], rounded[layer])
    return {layer: seen.error for layer, seen in found.items()}


def is_quantized(content: bytes, runtime: Runtime) -> bool:
    """Tells whether a file holds a tensor in a type that float32 files have no use for."""
    details = runtime.interpreter(content).get_tensor_details()
    return any(np.dtype(one["dtype"]).name in QUANTIZED for one in details)


def layer_of(tensor: str, layers: Collection[str]) -> str | None:
    """The layer that a tensor is named after, or None.

    Keras numbers the scopes of layers, so `conv_1/Relu` may be of the layer `conv`;
    tensorflow-model-optimization calls it `quant_conv`.

    >>> layer_of("net_1/conv_1/Relu;net_1/conv_1/Conv2D", ["image", "conv", "dense"])
    'conv'
    >>> layer_of("net/quant_conv_1/Relu", ["conv", "conv_1"])
    'conv_1'
    """
    for part in re.split("[/;:]", tensor):
        unwrapped = part.removeprefix("quant_")
        unnumbered = re.sub(r"_\d+$", "", part)
        for name in (unwrapped, unnumbered) if unwrapped != part else (unnumbered, part):
            if name in layers:
                return name
    return None


@dataclass
class _Range:
    """What the samples so far say of one layer."""

    low: float = np.inf
    high: float = -np.inf
    difference: float = 0.0

    def see(self, exact: np.ndarray, rounded: np.ndarray) -> None:
        self.low, self.high = min(self.low, exact.min()), max(self.high, exact.max())
        self.difference = max(self.difference, float(np.abs(rounded - exact).max()))

    @property
    def error(self) -> float:
        return self.difference / (self.high - self.low) if self.high > self.low else 0.0


class _Traced:
    """An interpreter that keeps every tensor."""

    def __init__(
        self,
        content: bytes,
        probes: Sequence[Mapping[str, np.ndarray]],
        layers: Collection[str],
        runtime: Runtime,
    ) -> None:
        self._interpreter = keeping_every_tensor(runtime, content)
        runner = self._interpreter.get_signature_runner()
        self._inputs, ends = runner.get_input_details(), runner.get_output_details()
        del runner  # as long as it lives the interpreter refuses to run
        self._outputs = self._find_outputs(probes, layers)
        self._outputs |= {name: details for name, details in ends.items() if name in layers}

    def run(self, sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What each layer puts out, as real numbers."""
        self._invoke(sample)
        return {layer: self._values(details) for layer, details in self._outputs.items()}

    def _find_outputs(
        self, probes: Sequence[Mapping[str, np.ndarray]], layers: Collection[str]
    ) -> dict[str, dict[str, Any]]:
        """The last tensor of each layer that differs between samples; others are weights."""
        named = [
            (layer, details)
            for details in self._interpreter.get_tensor_details()
            if (layer := layer_of(details["name"], layers)) and _has_one_scale(details)
        ]
        seen = []
        for probe in probes:
            self._invoke(probe)
            seen.append([self._values(details) for _, details in named])
        return {
            layer: details
            for (layer, details), *values in zip(named, *seen, strict=True)
            if any(not np.array_equal(values[0], other) for other in values)
        }

    def _invoke(self, sample: Mapping[str, np.ndarray]) -> None:
        for name, details in self._inputs.items():
            x, dtype = sample[name][np.newaxis], np.dtype(details["dtype"])
            if x.dtype != dtype:
                x = quantize(x, Quantization(*details["quantization"]), dtype.name)
            self._interpreter.set_tensor(details["index"], x)
        self._interpreter.invoke()

    def _values(self, details: dict[str, Any]) -> np.ndarray:
        values = self._interpreter.get_tensor(details["index"])
        if values.dtype.kind == "f":
            return values.astype("float32")
        return dequantize(values, Quantization(*details["quantization"]))


def _has_one_scale(details: dict[str, Any]) -> bool:
    """Whether a tensor's real values are known: floats, or integers with one scale."""
    is_float = np.dtype(details["dtype"]).kind == "f"
    return is_float or len(details["quantization_parameters"]["scales"]) == 1
