"""Saving a model whose layers are registered: as `.keras`, the one format that knows them."""

import keras

LEGACY = (".h5", ".hdf5")


class SavesKerasFile(keras.Model):
    """Refuses the legacy format at once, rather than when the file cannot be loaded any more."""

    def save(self, filepath, *args, **kwargs):
        """As `keras.Model.save`.

        Args:
            filepath: ends with .keras.

        Raises:
            ValueError: if it ends with .h5 or .hdf5: there Keras writes the bare name of a class,
                by which it does not find a registered one.
        """
        if str(filepath).endswith(LEGACY):
            raise ValueError(
                "Invalid value for `filepath`. Expected a name that ends with .keras: from an HDF5 "
                "file Keras cannot load the layers of keras_tnn again ('Unknown layer'). For "
                f"weights alone use `save_weights('x.weights.h5')`. Received: filepath='{filepath}'"
            )
        return super().save(filepath, *args, **kwargs)
