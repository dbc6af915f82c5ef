"""A sample from a file, brought to the form that a bundle takes.

`.npy` and `.npz` hold arrays, one sample or a batch. Any other file is an image that Pillow reads,
scaled to the size that the network takes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tnn_tflite.bundle.programs import TensorSpec


def read_sample(path: str, specs: Sequence[TensorSpec], scale: float) -> dict[str, np.ndarray]:
    """Reads the inputs of a network from a file.

    Args:
        path: A `.npy` file (one input), an `.npz` file (an array for each input, by name; any
            name if there is one), or an image.
        specs: The inputs of the network.
        scale: What integer pixels are divided by where the network takes floats.

    Returns:
        The arrays by input name. Their shapes are not checked here.

    Raises:
        ValueError: If the file does not hold what the network takes.
        OSError: If the file cannot be read.
    """
    arrays = _read_arrays(path, specs)
    return {spec.name: _as_input(arrays[spec.name], spec, scale) for spec in specs}


def _read_arrays(path: str, specs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, specs)
    if len(specs) > 1:
        names = ", ".join(spec.name for spec in specs)
        raise ValueError(f"Expected an .npz file with the arrays {names}. Received: {path}")
    only = specs[0]
    return {only.name: np.load(path) if suffix == ".npy" else _read_image(path, only)}


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


def _read_image(path: str, spec: TensorSpec) -> np.ndarray:
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if len(spec.shape) != 3 or spec.shape[-1] not in modes:
        raise ValueError(
            f"Expected a .npy or .npz file, as the network takes no image but shape={spec.shape}. "
            f"Received: {path}"
        )
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"Reading '{path}' needs Pillow: pip install pillow, or save the image as .npy"
        ) from error
    height, width, channels = spec.shape
    with Image.open(path) as image:
        resized = image.convert(modes[channels]).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(spec.shape)


def _as_input(array: np.ndarray, spec: TensorSpec, scale: float) -> np.ndarray:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f" and array.dtype.kind in "iu":
        return (array / scale).astype(dtype)
    if dtype.kind == "f" and array.dtype.kind == "f":
        return array.astype(dtype)
    return array
