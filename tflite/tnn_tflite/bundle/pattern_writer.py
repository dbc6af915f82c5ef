"""Writing a bundle in which a budget policy opens the components of one network."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tnn_tflite.bundle.description import PATTERNS, Bundle, Preprocessing
from tnn_tflite.bundle.labels import Labels, labels_by_output
from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.programs import (
    GATED,
    GATES,
    POLICY,
    Edge,
    GatedNetwork,
    NamedBudget,
    Program,
)
from tnn_tflite.bundle.writer import described, replace_bundle, write_file, write_manifest


@dataclass(frozen=True)
class PatternContent:
    """What is written.

    Args:
        policy: Reads the inputs and a budget, gives gates.
        network: Reads the inputs and gates.
        component_macs: What each component takes where it is open.
        budgets: Those that are named, rising.
    """

    policy: ProgramContent
    network: ProgramContent
    component_macs: Sequence[int]
    budgets: Iterable[NamedBudget]


def write_patterns(
    directory: str | os.PathLike,
    content: PatternContent,
    labels: Labels | None = None,
    preprocessing: Mapping[str, Preprocessing] | None = None,
) -> Bundle:
    """Writes a bundle, or leaves everything as it was.

    Args:
        directory, labels, preprocessing: As for `write_bundle`.
        content: The programs.

    Returns:
        The bundle, read back and checked.

    Raises:
        BundleError: If the destination holds something else than a bundle.
        ValueError: If there is not one label for each class.
    """
    by_output = labels_by_output(labels, content.network.outputs)

    def fill(folder: Path) -> None:
        policy = Program(
            name=POLICY, role=POLICY, file=f"{POLICY}.tflite", **described(content.policy)
        )
        network = GatedNetwork(
            name=GATED,
            file=f"{GATED}.tflite",
            component_macs=tuple(content.component_macs),
            **described(content.network),
        )
        write_file(folder / policy.file, content.policy.content)
        write_file(folder / network.file, content.network.content)
        edge = Edge(POLICY, GATES, GATED, GATES)
        programs, meaning = [policy, network], (by_output, preprocessing)
        write_manifest(folder, programs, PATTERNS, None, *meaning, [edge], content.budgets)

    return replace_bundle(directory, fill)
