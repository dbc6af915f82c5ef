"""Checks a bundle against the rules of a target."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import CONTROLLER, Level
from tnn_tflite.lint.coral import CORAL
from tnn_tflite.lint.findings_table import findings_table, grouped
from tnn_tflite.lint.micro import MICRO
from tnn_tflite.lint.operator_graph import read_operator_graph
from tnn_tflite.lint.operator_rule import Finding
from tnn_tflite.lint.target import Graphs, Target, programs_of
from tnn_tflite.lint.web import WEB
from tnn_tflite.lint.xnnpack import XNNPACK
from tnn_tflite.result_table import ResultTable
from tnn_tflite.utilization import check_utilization

TARGETS = {target.name: target for target in (CORAL, MICRO, WEB, XNNPACK)}


@dataclass(frozen=True)
class Report(ResultTable):
    """What was found in a bundle.

    Args:
        target: The target's name.
        findings: By level, operator and rule.
        levels: How many levels were read, or programs where there are none.
        closing: What to do next, or "".
        unknown: What the rules cannot tell.
        has_controller: Whether a controller was read, too.
        kind: `"levels"` or `"programs"`: segments, or a budget policy with its network.
    """

    target: str
    findings: tuple[Finding, ...]
    levels: int
    closing: str
    unknown: str
    has_controller: bool = False
    kind: str = "levels"

    @property
    def failed(self) -> bool:
        """Whether a level will not run on the target as it should."""
        return any(finding.fails for finding in self.findings)

    def records(self) -> list[dict[str, Any]]:
        """Each finding's level, operator, rule and advice."""
        return [asdict(finding) for finding in self.findings]

    def lines(self) -> list[list[str]]:
        """The cells that are printed: a row for each advice, with all operators that it is for."""
        return grouped(self.findings)

    def __str__(self) -> str:
        failures = sum(finding.fails for finding in self.findings)
        notes = len(self.findings) - failures
        parts = [findings_table(self.findings)] if self.findings else []
        read = f"{self.levels} {self.kind}{' and a controller' * self.has_controller}"
        parts.append(f"{self.target}: {read}, {failures} failures, {notes} notes")
        parts += [self.closing] if self.closing else []
        parts.append(f"Not known from the files alone: {self.unknown}.")
        return "\n\n".join(parts)


def lint(directory: str | os.PathLike, target: str, order: Sequence[float] | None = None) -> Report:
    """Reads every program of a bundle and tells what its target would refuse or run slowly.

    Args:
        directory: The bundle.
        target: `"coral"`, `"micro"`, `"web"` or `"xnnpack"`.
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
    bundle = read_bundle(directory)
    graphs = _graphs(bundle, order)
    found = lint_graphs(graphs, TARGETS[target])
    return Report(
        target=target,
        findings=found,
        levels=len(graphs) - (bundle.controller is not None),
        closing=TARGETS[target].closing(bundle, graphs),
        unknown=TARGETS[target].unknown,
        has_controller=bundle.controller is not None,
        kind="levels" if any(isinstance(one, Level) for one in bundle.programs) else "programs",
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


def _index(finding: Finding) -> float:
    return float("inf") if finding.index is None else finding.index


def _graphs(bundle: Bundle, order: Sequence[float] | None) -> Graphs:
    programs = programs_of(bundle)
    first = [CONTROLLER] if bundle.controller is not None else []
    others = [key for key in programs if key != CONTROLLER]
    if order is not None:
        others = _ordered(others, order)
    return {key: read_operator_graph(bundle.read_level(programs[key])) for key in (*first, *others)}


def _ordered(keys: Sequence[float | str], order: Sequence[float]) -> list[float]:
    levels = [key for key in keys if not isinstance(key, str)]
    values = [check_utilization(value) for value in order]
    if sorted(values) != levels:
        expected = f"the levels {', '.join(map(str, levels))}, each once"
        raise ValueError(
            f"Invalid value for `order`. Expected {expected if levels else 'none without levels'}. "
            f"Received: order={order!r}"
        )
    return values
