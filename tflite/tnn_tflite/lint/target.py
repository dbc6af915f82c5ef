"""What a device asks of a bundle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import CONTROLLER, Level, Program
from tnn_tflite.lint.operator_graph import OperatorGraph
from tnn_tflite.lint.operator_rule import Finding, OperatorRule

# The programs in the order in which they matter, and what each file says: levels by their
# utilization, a controller by its role, others by their names.
Graphs = Mapping[float | str, OperatorGraph]


def programs_of(bundle: Bundle) -> dict[float | str, Program]:
    """Returns the programs of a bundle by what graphs and findings call them."""
    return {key_of(program): program for program in bundle.programs}


def key_of(program: Program) -> float | str:
    if isinstance(program, Level):
        return program.utilization
    return CONTROLLER if program.role == CONTROLLER else program.name


def nothing_more(graphs: Graphs, found: Sequence[Finding]) -> Iterator[Finding]:
    """For targets whose rules all look at single operators."""
    yield from ()


def nothing_to_say(bundle: Bundle, graphs: Graphs) -> str:
    """For targets that need no further step."""
    return ""


@dataclass(frozen=True)
class Target:
    """A device, or a library of kernels.

    Args:
        name: As the command line names it.
        rules: The rules for single operators.
        unknown: What no rule can tell without the device's own tools.
        whole: Finds what concerns a level or all of them, given what the rules found.
        closing: Gives the text that ends the report.
    """

    name: str
    rules: tuple[OperatorRule, ...]
    unknown: str
    whole: Callable[[Graphs, Sequence[Finding]], Iterator[Finding]] = nothing_more
    closing: Callable[[Bundle, Graphs], str] = nothing_to_say
