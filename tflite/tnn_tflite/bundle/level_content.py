"""What a level is made of before it is written."""

from dataclasses import dataclass

from tnn_tflite.bundle.description import Quantization, TensorSpec


@dataclass(frozen=True)
class LevelContent:
    """One level, ready to be written.

    Args:
        utilization: How much of the network runs, in (0, 1].
        content: The bytes of the `.tflite` file.
        inputs: The inputs in Keras order; the same for every level.
        outputs: The outputs in Keras order; the same for every level.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        input_quantization: For each input, how its integers stand for reals; see `Level`.
        output_quantization: The same for the outputs.
    """

    utilization: float
    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    macs: int
    parameters: int
    input_quantization: tuple[Quantization | None, ...] = ()
    output_quantization: tuple[Quantization | None, ...] = ()
