"""Checks a bundle against the rules of a target."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import CONTROLLER, LEVEL_ROLES
from tnn_tflite.lint.coral import CORAL
from tnn_tflite.lint.micro import MICRO
from tnn_tflite.lint.operator_graph import read_operator_graph
from tnn_tflite.lint.operator_rule import Finding
from tnn_tflite.lint.target import Graphs, Target
from tnn_tflite.lint.xnnpack import XNNPACK
from tnn_tflite.text_table import aligned
from tnn_tflite.utilization import check_utilization

TARGETS = {target.name: target for target in (CORAL, MICRO, XNNPACK)}
HEADINGS = ("u", "operator", "name", "rule", "", "what to do")


@dataclass(frozen=True)
class Report:
    """What was found in a bundle.

    Args:
        target: The target's name.
        findings: By level, operator and rule.
        levels: How many levels were read.
        closing: What to do next, or "".
        unknown: What the rules cannot tell.
        has_controller: Whether a controller was read, too.
    """

    target: str
    findings: tuple[Finding, ...]
    levels: int
    closing: str
    unknown: str
    has_controller: bool = False

    @property
    def failed(self) -> bool:
        """Whether a level will not run on the target as it should."""
        return any(finding.fails for finding in self.findings)

    def __str__(self) -> str:
        failures = sum(finding.fails for finding in self.findings)
        notes = len(self.findings) - failures
        parts = [findings_table(self.findings)] if self.findings else []
        read = f"{self.levels} levels{' and a controller' * self.has_controller}"
        parts.append(f"{self.target}: {read}, {failures} failures, {notes} notes")
        parts += [self.closing] if self.closing else []
        parts.append(f"Not known from the files alone: {self.unknown}.")
        return "\n\n".join(parts)


def lint(directory: str | os.PathLike, target: str, order: Sequence[float] | None = None) -> Report:
    """Reads every program of a bundle and tells what its target would refuse or run slowly.

    Args:
        directory: The bundle.
        target: `"coral"`, `"micro"` or `"xnnpack"`.
        order: The utilizations of all levels, the most used first. By default they rise: then
            the most levels fit into a small memory. A controller runs in every call, so it is
            before them.

    Returns:
        The findings, and what to do next.

    Raises:
        BundleError: If the bundle is damaged.
        ValueError: If `target` or `order` is not valid.

    Example:

    ```python
    report = lint("bundle", "coral", order=(0.5, 0.25, 1.0))
    print(report)
    ```
    """
    if target not in TARGETS:
        raise ValueError(
            f"Invalid value for `target`. Expected one of {', '.join(TARGETS)}. "
            f"Received: target={target!r}"
        )
    bundle = read_bundle(directory, LEVEL_ROLES)
    graphs = _graphs(bundle, order)
    found = lint_graphs(graphs, TARGETS[target])
    return Report(
        target=target,
        findings=found,
        levels=len(bundle.levels),
        closing=TARGETS[target].closing(bundle, graphs),
        unknown=TARGETS[target].unknown,
        has_controller=bundle.controller is not None,
    )


def lint_graphs(graphs: Graphs, target: Target) -> tuple[Finding, ...]:
    """Checks levels that are read already.

    Args:
        graphs: The levels by their utilization, the most important first.
        target: The rules.

    Returns:
        The findings by level, operator and rule.
    """
    found = [
        f for u, graph in graphs.items() for rule in target.rules for f in rule.findings(u, graph)
    ]
    found += target.whole(graphs, found)
    place = {utilization: number for number, utilization in enumerate(graphs)}
    return tuple(sorted(found, key=lambda f: (place[f.utilization], _index(f))))


def findings_table(findings: Sequence[Finding]) -> str:
    """Returns the findings as a table, one line each."""
    rows = [_cells(finding) for finding in findings]
    table = aligned([HEADINGS[:-1], *(row[:-1] for row in rows)])
    advice = [HEADINGS[-1], *(row[-1] for row in rows)]
    return "\n".join(
        f"{line}  {last}" for line, last in zip(table.splitlines(), advice, strict=True)
    )


def _cells(finding: Finding) -> tuple[str, ...]:
    index = "-" if finding.index is None else str(finding.index)
    kind = "fails" if finding.fails else "note"
    name, rule = finding.operator, finding.rule
    u = finding.utilization
    return (u if u == CONTROLLER else f"{u:g}", index, name, rule, kind, finding.advice)


def _index(finding: Finding) -> float:
    return float("inf") if finding.index is None else finding.index


def _graphs(bundle: Bundle, order: Sequence[float] | None) -> Graphs:
    levels = {level.utilization: level for level in bundle.levels}
    programs = {u: levels[u] for u in _ordered(tuple(levels), order)}
    if bundle.controller is not None:
        programs = {CONTROLLER: bundle.controller, **programs}
    return {
        key: read_operator_graph(bundle.read_level(program)) for key, program in programs.items()
    }


def _ordered(levels: Sequence[float], order: Sequence[float] | None) -> Iterator[float]:
    if order is None:
        return iter(levels)
    values = [check_utilization(value) for value in order]
    if sorted(values) != list(levels):
        raise ValueError(
            f"Invalid value for `order`. Expected the levels {', '.join(map(str, levels))}, each "
            f"once. Received: order={order!r}"
        )
    return iter(values)
