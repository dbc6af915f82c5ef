"""What a program is made of before it is written."""

from dataclasses import dataclass, field

from tnn_tflite.bundle.programs import Quantization, TensorSpec


@dataclass(frozen=True)
class ProgramContent:
    """A program without a place in a bundle yet: a controller, or what a level adds to.

    Args:
        content: The bytes of the `.tflite` file.
        inputs: The inputs in Keras order.
        outputs: The outputs in Keras order.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        input_quantization: For each input, how its integers stand for reals; see `Program`.
        output_quantization: The same for the outputs.
    """

    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    macs: int
    parameters: int
    input_quantization: tuple[Quantization | None, ...] = ()
    output_quantization: tuple[Quantization | None, ...] = ()


@dataclass(frozen=True)
class LevelContent(ProgramContent):
    """One level, ready to be written; all levels have the same inputs and outputs.

    Args:
        utilization: How much of the network runs, in (0, 1]. For what else it has see
            `ProgramContent`.
    """

    utilization: float = field(kw_only=True)
