"""The one format that knows the layers of this library."""

LEGACY = (".h5", ".hdf5")


def check_keras_file(filepath):
    """Refuses the legacy format at once, rather than when the file cannot be loaded any more.

    Raises:
        ValueError: if `filepath` ends with .h5 or .hdf5: there Keras writes the bare name of a
            class, by which it does not find a registered one.
    """
    if str(filepath).endswith(LEGACY):
        raise ValueError(
            "Invalid value for `filepath`. Expected a name that ends with .keras: from an HDF5 "
            "file Keras cannot load the layers of keras_tnn again ('Unknown layer'). For "
            f"weights alone use `save_weights('x.weights.h5')`. Received: filepath='{filepath}'"
        )
