"""Names of classes, as a user gives them and as a manifest has them."""

from collections.abc import Mapping, Sequence

from tnn_tflite.bundle.programs import TensorSpec

Labels = Sequence[str] | Mapping[str, Sequence[str]]


def labels_by_output(
    labels: Labels | None, outputs: Sequence[TensorSpec]
) -> dict[str, tuple[str, ...]]:
    """Returns the names of classes by the name of the output.

    Args:
        labels: A name for each class of the only output; or the same by the name of an output,
            which may leave outputs out; or None.
        outputs: The outputs of the network.

    Raises:
        ValueError: If there is no such output, or not one name for each of its classes.

    Example:

    >>> scores = tnn_tflite.TensorSpec("scores", (2,), "float32")
    >>> labels_by_output(["cat", "dog"], [scores])
    {'scores': ('cat', 'dog')}
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        if len(outputs) > 1:
            names = [spec.name for spec in outputs]
            raise _error(f"a mapping from names of outputs, {names}", repr(labels))
        labels = {outputs[0].name: labels}
    classes = {spec.name: spec.shape[-1] if spec.shape else 0 for spec in outputs}
    for name, names in labels.items():
        if name not in classes:
            raise _error(f"names of outputs, {list(classes)}", repr(name))
        # A string is a sequence of strings, too: its letters.
        is_list = isinstance(names, Sequence) and not isinstance(names, str)
        if not is_list or not all(isinstance(label, str) and label for label in names):
            raise _error("a list of strings", repr(names))
        if len(names) != classes[name]:
            raise _error(f"{classes[name]} names for output '{name}'", f"{len(names)} names")
    return {name: tuple(names) for name, names in labels.items()}


def _error(expected: str, received: str) -> ValueError:
    return ValueError(f"Invalid value for `labels`. Expected {expected}. Received: {received}")
