"""A SavedModel for a batch of one, whose tensors have any names.

TensorFlow makes the names of a signature from those of a Python function's arguments, so `class`,
`self` or `a-b` are errors or come out as something else. Here it only meets numbers; the names
are given to the signature when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def one_sample_function(
    function: Callable[[list], Sequence], inputs: Sequence[Any]
) -> tf.types.experimental.ConcreteFunction:
    """Traces a function for a batch of one.

    Args:
        function: Takes a list of tensors and returns a list of tensors.
        inputs: For each input something with a `shape`, batch axis first, and a `dtype`.
    """
    import tensorflow as tf

    signature = [
        tf.TensorSpec((1, *x.shape[1:]), x.dtype, name=_input(i)) for i, x in enumerate(inputs)
    ]

    @tf.function(input_signature=signature)
    def one(*arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        return {_output(i): x for i, x in enumerate(function(list(arrays)))}

    return one.get_concrete_function()


def traced_outputs(one: tf.types.experimental.ConcreteFunction) -> list[Any]:
    """The outputs of a function that `one_sample_function` made, in their order."""
    found = one.structured_outputs
    return [found[_output(i)] for i in range(len(found))]


def write_saved_model(
    path: Path,
    one: tf.types.experimental.ConcreteFunction,
    variables: Sequence[Any],
    input_names: Sequence[str],
    output_names: Sequence[str],
) -> None:
    """Writes a SavedModel with one signature.

    Args:
        path: The folder to make.
        one: What `one_sample_function` returned.
        variables: TensorFlow's variables that it reads.
        input_names, output_names: What the signature calls its tensors.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    module = tf.Module()
    module.read, module.one = variables, one
    tf.saved_model.save(module, str(path), signatures=one)
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    _rename(signature.inputs, {_input(i): name for i, name in enumerate(input_names)})
    _rename(signature.outputs, {_output(i): name for i, name in enumerate(output_names)})
    file.write_bytes(saved.SerializeToString())


def _rename(tensors: Any, names: dict[str, str]) -> None:
    held = {
        name: type(tensors[number]).FromString(tensors[number].SerializeToString())
        for number, name in names.items()
    }
    tensors.clear()  # first all of them: a network may call its second input "input_0"
    for name, tensor in held.items():
        tensors[name].CopyFrom(tensor)


def _input(number: int) -> str:
    return f"input_{number}"


def _output(number: int) -> str:
    return f"output_{number}"
