"""What can run in a bundle: programs with roles, what goes in and out of each, who feeds whom."""

from dataclasses import dataclass

LEVEL, CONTROLLER, SEGMENT = "level", "controller", "segment"
LEVEL_SEGMENT = "level_segment"
POLICY, GATED = "budget_policy", "gated_network"
# The roles that are run today.
ROLES = (LEVEL, CONTROLLER, SEGMENT, LEVEL_SEGMENT, POLICY, GATED)
LEVEL_ROLES = (LEVEL, CONTROLLER)  # those of bundles whose levels are files that run alone
CHOICE, ANSWER = "choice", "answer"  # the outputs of a controller
BUDGET, GATES = "budget", "gates"  # what a budget policy reads beside the inputs, and its output


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a program.

    Args:
        name: The Keras name of the input or output.
        shape: The shape of one sample, without the batch axis.
        dtype: The numpy name of the element type, for example `"float32"`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Quantization:
    """How integers stand for real numbers: `real = scale * (integer - zero_point)`.

    Args:
        scale: The step between neighbours, above 0.
        zero_point: The integer that stands for 0.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """One runnable part of a bundle.

    Args:
        name: Its name in the bundle, and in layout `"signatures"` that of its signature.
        role: What it is for, for example `"level"`.
        file: Name of the `.tflite` file in the bundle's folder that holds it.
        macs: Multiply-accumulate operations for one sample.
        parameters: Number of weights.
        bytes: Size in bytes of its own TFLite content, also where it is cut from a file that all
            levels share.
        sha256: SHA-256 of that content, 64 lower-case hexadecimal digits.
        inputs: Its inputs in Keras order.
        outputs: Its outputs in Keras order.
        input_quantization: For each input, how its integers stand for reals, None for one that
            is no such integer. Empty if no input is.
        output_quantization: The same for the outputs.
    """

    name: str
    role: str
    file: str
    macs: int
    parameters: int
    bytes: int
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    input_quantization: tuple[Quantization | None, ...] = ()
    output_quantization: tuple[Quantization | None, ...] = ()

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"program '{self.name}'"


@dataclass(frozen=True, kw_only=True)
class Level(Program):
    """One deployed operating point: a program that answers alone.

    Args:
        utilization: How much of the network runs, in (0, 1]. For what else it has see `Program`.
    """

    role: str = LEVEL
    utilization: float

    @property
    def title(self) -> str:
        return f"level u={self.utilization:g}"

    @property
    def arguments(self) -> dict[str, float | str]:
        """Those by which a `Dispatcher` runs it."""
        return {"utilization": self.utilization}


@dataclass(frozen=True, kw_only=True)
class LevelSegment(Program):
    """A segment of one of several levels; those of one level run in turn.

    Args:
        utilization: That of its level, in (0, 1].
        exit: Name of the exit that it ends in. For what else it has see `Program`.
        accuracy: Share of held-out samples for which that exit is right, in [0, 1]; None where
            nobody has told.
    """

    role: str = LEVEL_SEGMENT
    utilization: float
    exit: str
    accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class GatedNetwork(Program):
    """A network whose components an input "gates" opens and closes.

    Args:
        component_macs: For each component the multiply-accumulate operations that it takes where
            it is open. `macs` are those of all of them and the rest. For what else it has see
            `Program`.
    """

    role: str = GATED
    component_macs: tuple[int, ...]


@dataclass(frozen=True)
class NamedBudget:
    """A budget that stands for a level where a budget policy decides. Any other can be asked for.

    Args:
        utilization: The budget, in (0, 1].
        macs: What a sample takes on average, that of the policy included.
    """

    utilization: float
    macs: int


@dataclass(frozen=True)
class Edge:
    """What one program hands on to another that runs after it.

    Args:
        source: Name of the program that hands on.
        output: Which of its outputs.
        target: Name of the program that reads.
        input: Which of its inputs.
    """

    source: str
    output: str
    target: str
    input: str


def level_of_budget(network: GatedNetwork, budget: NamedBudget) -> Level:
    """A named budget as a level: what a caller gives and gets, and what it takes on average."""
    quantization = zip(network.inputs, network.input_quantization, strict=False)
    return Level(
        name=f"u{budget.utilization}",
        utilization=budget.utilization,
        file=network.file,
        macs=budget.macs,
        parameters=network.parameters,
        bytes=network.bytes,
        sha256=network.sha256,
        inputs=tuple(spec for spec in network.inputs if spec.name != GATES),
        outputs=network.outputs,
        input_quantization=tuple(found for spec, found in quantization if spec.name != GATES),
        output_quantization=network.output_quantization,
    )
