"""A Keras model from a file, with the layers of keras_tnn known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def load_model(path: str | os.PathLike) -> keras.Model:
    """Loads a `.keras` file with layers of keras_tnn.

    `keras.saving.load_model` does the same after `import keras_tnn`, which registers the layers.

    Args:
        path: Name of the file.

    Raises:
        OSError: If there is no such file.
        ValueError: If Keras cannot load it.

    Example:

    ```python
    tnn_tflite.convert(tnn_tflite.load_model("net.keras"), "bundle")
    ```
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notices about CPU and GPU
    import keras

    import keras_tnn  # noqa: F401  its layers are registered with Keras by the import

    if not os.path.exists(path):
        raise FileNotFoundError(f"Expected a .keras file. Received: '{path}', no such file")
    return keras.saving.load_model(path)


def is_bundle(path: str) -> bool:
    """Tells a bundle, which is a folder, from a model, which is a file."""
    return Path(path).is_dir()
