"""A sample from a file, brought to the form that a bundle takes.

`.npy` and `.npz` hold arrays, one sample or a batch. Any other file is a picture that Pillow reads,
resized to what the network takes. The bundle says how pixels become numbers.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from absl import logging

from tnn_tflite.bundle.description import Bundle, Preprocessing
from tnn_tflite.bundle.programs import Quantization, TensorSpec
from tnn_tflite.dispatch.pixels import from_pixels
from tnn_tflite.quantized_values import quantize

BYTE = 255.0  # what pixels are divided by where nobody says


def read_sample(path: str, bundle: Bundle, scale: float | None = None) -> dict[str, np.ndarray]:
    """Reads the inputs of a network from a file.

    Args:
        path: A `.npy` file (one input), an `.npz` file (an array for each input, by name; any
            name if there is one), or an image.
        bundle: Says what the network takes, and how pixels become that.
        scale: What pixels are divided by, in the place of what the bundle says.

    Returns:
        The arrays by input name. Their shapes are not checked here.

    Raises:
        ValueError: If the file does not hold what the network takes.
        OSError: If the file cannot be read.
    """
    is_picture = Path(path).suffix.lower() not in (".npy", ".npz")
    arrays = _read_arrays(path, bundle)
    return {
        spec.name: as_input(arrays[spec.name], spec, bundle, scale, is_picture)
        for spec in bundle.inputs
    }


def read_array(path: str | None, key: str) -> np.ndarray | None:
    """Reads one array.

    Args:
        path: A `.npy` or `.npz` file, or None.
        key: The array's name in an `.npz` file.

    Raises:
        ValueError: If there is no such array.
        OSError: If the file cannot be read.
    """
    if path is None:
        return None
    data = np.load(path)
    if isinstance(data, np.ndarray):
        return data
    with data:
        if key not in data.files:
            raise ValueError(
                f"Expected an array '{key}' in '{path}'. Received: {', '.join(data.files)}. "
                "Name the array with --key"
            )
        return data[key]


def read_labelled(path: str, key: str = "x") -> tuple[np.ndarray, np.ndarray]:
    """Reads samples and their classes from an `.npz` file.

    Args:
        path: The file.
        key: The name of the samples. That of the classes is "y".

    Returns:
        The samples as they are, and the classes, of shape `(samples,)`.

    Raises:
        ValueError: If an array is missing.
        OSError: If the file cannot be read.
    """
    with np.load(path) as file:
        names = getattr(file, "files", [])
        if any(name not in names for name in (key, "y")):
            raise ValueError(
                f"Expected the arrays {key} and y in '{path}'. "
                f"Received: {', '.join(names) or 'none'}"
            )
        return file[key], file["y"].reshape(-1)


def as_numbers(
    array: np.ndarray, spec: TensorSpec, bundle: Bundle, scale: float | None = None
) -> np.ndarray:
    """Returns samples in the terms of the Keras model, also where the bundle takes integers.

    Args:
        array: Numbers; or integers, which are pixels where the Keras model takes floats.
        spec: The input.
        bundle: Says how pixels become numbers.
        scale: What pixels are divided by, in the place of what the bundle says.
    """
    is_rounded = any(any(program.input_quantization) for program in bundle.programs)
    return as_input(array, replace(spec, dtype="float32") if is_rounded else spec, bundle, scale)


def _read_arrays(path: str, bundle: Bundle) -> dict[str, np.ndarray]:
    suffix, specs = Path(path).suffix.lower(), bundle.inputs
    if suffix == ".npz":
        return _read_npz(path, specs)
    if len(specs) > 1:
        names = ", ".join(spec.name for spec in specs)
        raise ValueError(f"Expected an .npz file with the arrays {names}. Received: {path}")
    only = specs[0]
    if suffix == ".npy":
        return {only.name: np.load(path)}
    return {only.name: _read_image(path, only, bundle.preprocessing.get(only.name))}


def _read_npz(path: str, specs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    if len(specs) == len(arrays) == 1:
        return {specs[0].name: next(iter(arrays.values()))}
    missing = [spec.name for spec in specs if spec.name not in arrays]
    if missing:
        raise ValueError(
            f"Expected the arrays {', '.join(missing)} in '{path}'. "
            f"Received: {', '.join(arrays) or 'none'}"
        )
    return arrays


def _read_image(path: str, spec: TensorSpec, steps: Preprocessing | None) -> np.ndarray:
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if len(spec.shape) != 3 or spec.shape[-1] not in modes:
        raise ValueError(
            f"Expected a .npy or .npz file, as the network takes no image but shape={spec.shape}. "
            f"Received: {path}"
        )
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            f"Reading '{path}' needs Pillow: pip install pillow, or save the image as .npy"
        ) from error
    height, width, channels = spec.shape
    size, resampling = (width, height), Image.Resampling.BILINEAR
    with Image.open(path) as image:
        picture = image.convert(modes[channels])
    if steps and steps.resize == "crop":
        resized = ImageOps.fit(picture, size, resampling)
    else:
        resized = picture.resize(size, resampling)
    return np.asarray(resized).reshape(spec.shape)


def as_input(
    array: np.ndarray,
    spec: TensorSpec,
    bundle: Bundle,
    scale: float | None = None,
    is_picture: bool = False,
) -> np.ndarray:
    """Returns an array in the element type of an input.

    Args:
        array: Numbers; or integers, which are pixels where the input takes floats.
        spec: The input.
        bundle: Says how pixels become numbers, and these integers.
        scale: What pixels are divided by, in the place of what the bundle says.
        is_picture: Whether integers are pixels also where the input takes integers.
    """
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f" and array.dtype.kind == "f":
        return array.astype(dtype)
    if array.dtype.kind in "iu" and (dtype.kind == "f" or is_picture):
        values = _from_pixels(array, bundle.preprocessing.get(spec.name), scale)
        form = None if dtype.kind == "f" else _quantization(bundle, spec.name)
        return values.astype(dtype) if form is None else quantize(values, form, spec.dtype)
    return array


def _from_pixels(
    pixels: np.ndarray, steps: Preprocessing | None, scale: float | None
) -> np.ndarray:
    if scale is None and steps is not None:
        return from_pixels(pixels, steps)
    if scale is None:
        scale = BYTE
        logging.warning(
            "The bundle does not say how pixels become its input: they are divided by %g. "
            "Expected convert(..., preprocessing=), or --scale",
            scale,
        )
    return pixels / np.float32(scale)


def _quantization(bundle: Bundle, name: str) -> Quantization:
    """How integers of an input stand for numbers, the same in all programs that read it."""
    found = {
        form
        for program in bundle.programs
        for spec, form in zip(program.inputs, program.input_quantization, strict=False)
        if spec.name == name
    }
    if len(found) != 1 or None in found:
        raise ValueError(
            f"Expected one way for input '{name}' to be quantized, or its integers as .npy. "
            f"Received: {sorted(map(str, found))} in the levels"
        )
    return found.pop()
