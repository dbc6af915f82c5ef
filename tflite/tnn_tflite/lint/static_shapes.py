"""All targets here plan their memory ahead: shapes must be known, and the batch be one."""

from tnn_tflite.lint.operator_graph import Operator


def static_shapes(operator: Operator) -> str | None:
    """Finds tensors with an axis whose size is known only when the network runs."""
    for tensor in operator.tensors:
        if tensor.dynamic:
            return (
                f"'{tensor.name}' has an axis without a size. Convert with fixed input shapes; "
                "`tnn_tflite.convert` fixes the batch to one."
            )
    return None


def batch_of_one(operator: Operator) -> str | None:
    """Finds images that go through a convolution or a pooling several at once."""
    for tensor in operator.activations:
        if len(tensor.shape) == 4 and tensor.shape[0] != 1:
            return f"'{tensor.name}' has a batch of {tensor.shape[0]}. Convert with a batch of one."
    return None
