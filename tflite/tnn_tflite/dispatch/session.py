"""One interpreter that holds one program, its tensors found once."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import Program, Quantization, TensorSpec
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import Seat
from tnn_tflite.errors import BundleError


class Session:
    """Runs one program, one thread at a time.

    Args:
        bundle: The bundle that the program belongs to.
        program: A level or a controller.
        content: The verified bytes of its file.
        runtime: Makes the interpreter.

    Attributes:
        is_warm: Whether it has run.
        seat: What a `MemoryCap` counts of it; it lives as long as the session.

    Raises:
        BundleError: If the runtime cannot run the file, or its tensors are not those that the
            manifest promises.
    """

    def __init__(self, bundle: Bundle, program: Program, content: bytes, runtime: Runtime) -> None:
        try:
            self._interpreter = runtime.interpreter(content)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError.at(
                bundle.directory,
                expected=f"'{program.file}' to be a TFLite model that {runtime.name} can run",
                received=str(error),
                advice="Upgrade the interpreter, or convert the model again.",
            ) from error
        self._find_tensors(bundle, program)
        self._bundle, self._program = bundle, program
        self.is_warm = False  # until it has run once
        self.seat: Seat | None = None

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs a batch, sample by sample.

        Args:
            inputs: An array of shape `(batch, *spec.shape)` for each input. Not checked here.

        Returns:
            An array of shape `(batch, *spec.shape)` for each output, owned by the caller.
        """
        batch_size = len(inputs[0])
        if batch_size == 1:
            return self._run_sample(inputs)
        outputs = [
            np.empty((batch_size, *spec.shape), spec.dtype) for spec in self._program.outputs
        ]
        for i in range(batch_size):
            results = self._run_sample([array[i : i + 1] for array in inputs])
            for output, result in zip(outputs, results, strict=True):
                output[i : i + 1] = result
        return outputs

    def memory(self) -> int:
        """Returns about how many bytes the interpreter takes, the file's content not counted.

        A copy of the weights, as XNNPACK packs them, and room for the two largest tensors, as
        those between operators use the same memory in turn.
        """
        sizes = sorted(_num_bytes(tensor) for tensor in self._interpreter.get_tensor_details())
        return self._program.bytes + sum(sizes[-2:])

    def _run_sample(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        interpreter = self._interpreter
        for index, array in zip(self._input_indices, inputs, strict=True):
            interpreter.set_tensor(index, array)
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise BundleError.at(
                self._bundle.directory,
                expected=f"{self._program.title} in '{self._program.file}' to run",
                received=str(error),
                advice="Upgrade the interpreter, or convert the model again.",
            ) from error
        self.is_warm = True
        return [interpreter.get_tensor(index) for index in self._output_indices]  # copies

    def _find_tensors(self, bundle: Bundle, program: Program) -> None:
        signatures = self._interpreter.get_signature_list()
        if len(signatures) != 1:
            raise BundleError.at(
                bundle.directory,
                expected=f"one signature in '{program.file}'",
                received=f"{len(signatures)}",
            )
        # The runner is dropped at once: as long as it lives the interpreter refuses to run.
        runner = self._interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        del runner
        self._input_indices = _match(
            bundle, program, program.inputs, program.input_quantization, inputs
        )
        self._output_indices = _match(
            bundle, program, program.outputs, program.output_quantization, outputs
        )


def _match(
    bundle: Bundle,
    program: Program,
    specs: Sequence[TensorSpec],
    quantization: Sequence[Quantization | None],
    details: dict[str, Any],
) -> list[int]:
    """Returns the tensor index of each spec, after checking that the file agrees with it."""
    promised = {
        spec.name: ((1, *spec.shape), spec.dtype, *_stands_for(one))
        for spec, one in zip(specs, quantization or [None] * len(specs), strict=True)
    }
    found = {
        name: (
            tuple(int(size) for size in tensor["shape"]),
            np.dtype(tensor["dtype"]).name,
            *_stands_for(_own_quantization(tensor)),
        )
        for name, tensor in details.items()
    }
    if found != promised:
        raise BundleError.at(
            bundle.directory,
            expected=f"the tensors {promised} in '{program.file}'",
            received=str(found),
        )
    return [int(details[spec.name]["index"]) for spec in specs]


def _stands_for(quantization: Quantization | None) -> tuple[str, ...]:
    """What an integer stands for, as text; a scale to the digits that a float32 has."""
    if quantization is None:
        return ()
    return (f"{np.float32(quantization.scale)} * (integer - {quantization.zero_point})",)


def _own_quantization(tensor: dict[str, Any]) -> Quantization | None:
    """What the file itself says of an input or output of integers."""
    scales, points = (tensor["quantization_parameters"][key] for key in ("scales", "zero_points"))
    is_integer = np.dtype(tensor["dtype"]).kind in "iu"
    return Quantization(float(scales[0]), int(points[0])) if is_integer and len(scales) else None


def _num_bytes(tensor: dict[str, Any]) -> int:
    return math.prod(int(size) for size in tensor["shape"]) * np.dtype(tensor["dtype"]).itemsize
