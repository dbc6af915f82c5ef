"""Sizes that a layer does not tell of its output, and that follow from those of its input."""

import string

import keras

from keras_tnn.surgery.calls import tensors_in


def with_known_sizes(operation, args: tuple, output):
    """What a call made, with the sizes that its equation knows of an `EinsumDense`.

    That says None of each axis for which its `output_shape` does, as attention layers do of
    sequences.
    """
    if not isinstance(operation, keras.layers.EinsumDense) or None not in output.shape[1:]:
        return output
    (x,) = tensors_in(args)
    read, _, made = operation.equation.replace(" ", "").partition("->")
    read = spelled(read.split(",")[0], len(x.shape))
    size_of = dict(zip(read, x.shape, strict=True))
    letters = spelled(made, len(output.shape))
    pairs = zip(output.shape, letters, strict=True)
    shape = [size_of.get(letter) if size is None else size for size, letter in pairs]
    return keras.KerasTensor(shape, output.dtype)


def spelled(subscripts: str, rank: int) -> str:
    """Subscripts with a digit for each axis behind an ellipsis: `"...a"` of rank 3 is `"10a"`."""
    hidden = rank - len(subscripts.replace("...", ""))
    return subscripts.replace("...", string.digits[:hidden][::-1])
