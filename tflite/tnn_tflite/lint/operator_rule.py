"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tnn_tflite.lint.operator_graph import Operator, OperatorGraph

# What is wrong at one operator, and what to do; None if the operator keeps the rule.
Check = Callable[[Operator], str | None]


@dataclass(frozen=True)
class Finding:
    """One place where a level breaks a rule.

    Args:
        utilization: The level, or `"controller"`.
        index: The operator's place in the order of execution; None for the whole level.
        operator: Name of the operator, or `"-"`.
        rule: Name of the rule.
        advice: What is wrong and what to do.
        fails: Whether the level does not run as it should on the target. The others are notes.
    """

    utilization: float | str
    index: int | None
    operator: str
    rule: str
    advice: str
    fails: bool = True


@dataclass(frozen=True)
class OperatorRule:
    """A rule for single operators.

    Args:
        name: Short name, for example `"static-shapes"`.
        source: The document that the rule is from.
        check: Tells what is wrong at an operator.
        fails: Whether breaking the rule fails, or is only noted.
    """

    name: str
    source: str
    check: Check
    fails: bool = True

    def findings(self, utilization: float | str, graph: OperatorGraph) -> Iterator[Finding]:
        """Yields what the rule finds in one program."""
        for operator in graph.operators:
            advice = self.check(operator)
            if advice is not None:
                yield Finding(
                    utilization, operator.index, operator.name, self.name, advice, self.fails
                )
