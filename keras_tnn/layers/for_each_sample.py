"""What is the same for every sample, once for each."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_tnn")
class ForEachSample(keras.layers.Layer):
    """Repeats a tensor of one sample, as often as the batch of another tensor is large.

    Layers such as a vision transformer put a class token in front of what each sample has. They
    ask for the size of the batch, which a functional model does not know: there it is this layer.

    Call arguments:
        inputs: tensor `(1, ...)`.
        like: tensor `(batch, ...)`. Its values are not read.

    Input shape:
        `(1, ...)`, any rank from 1 on.

    Output shape:
        `(batch, ...)`.

    Raises:
        ValueError: if `inputs` holds more than one row.

    Example:

    >>> token = np.array([[7.0, 8.0]])
    >>> layer = keras_tnn.layers.ForEachSample()
    >>> keras.ops.convert_to_numpy(layer(token, like=np.zeros((3, 5)))).tolist()
    [[7.0, 8.0], [7.0, 8.0], [7.0, 8.0]]
    """

    def call(self, inputs, like):
        # (1, ...) -> (batch, ...)
        return ops.repeat(inputs, ops.shape(like)[0], axis=0)

    def compute_output_spec(self, inputs, like):
        if inputs.shape[:1] != (1,):
            raise ValueError(
                "Invalid value for `inputs`. Expected a tensor of one row, shape (1, ...). "
                f"Received: shape={tuple(inputs.shape)}"
            )
        return keras.KerasTensor((like.shape[0], *inputs.shape[1:]), inputs.dtype)
