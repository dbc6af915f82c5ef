"""Findings as a table that says each thing once: where one advice holds for many operators."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from tnn_tflite.lint.operator_rule import Finding
from tnn_tflite.text_table import aligned

HEADINGS = ("u", "operators", "rule", "", "what to do")
FEW = 3  # operators whose places are named; of more it is the number that says something
TENSOR = re.compile(r"^'[^']*' ")  # the advice begins with the tensor that it is about


def findings_table(findings: Sequence[Finding]) -> str:
    """Returns the findings as a table, one line for each advice."""
    header, *rows = grouped(findings)
    table = aligned([header[:-1], *(row[:-1] for row in rows)])
    lines = zip(table.splitlines(), (header, *rows), strict=True)
    return "\n".join(f"{line}  {row[-1]}" for line, row in lines)


def grouped(findings: Sequence[Finding]) -> list[list[str]]:
    """Returns the cells of the table, the header first.

    Findings of one rule whose advice is the same but for the tensor share a row.
    """
    groups: dict[tuple, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.rule, finding.fails, TENSOR.sub("", finding.advice)].append(finding)
    return [list(HEADINGS), *map(_cells, groups.values())]


def _cells(group: Sequence[Finding]) -> list[str]:
    first = group[0]
    levels = dict.fromkeys(finding.utilization for finding in group)
    advice = first.advice
    if len(group) > 1 and TENSOR.match(advice):
        advice = f"{TENSOR.match(advice).group().strip()} and others: {TENSOR.sub('', advice)}"
    return [
        ", ".join(u if isinstance(u, str) else f"{u:g}" for u in levels),
        _operators(group),
        first.rule,
        "fails" if first.fails else "note",
        advice,
    ]


def _operators(group: Sequence[Finding]) -> str:
    if len(group) <= FEW:
        return ", ".join(_place(finding) for finding in group)
    counts = Counter(finding.operator for finding in group)
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _place(finding: Finding) -> str:
    place = "" if finding.index is None else f" at {finding.index}"
    return f"{finding.operator}{place}"
