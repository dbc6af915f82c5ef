"""What a bundle is: programs with roles, what goes in and out of each, and who feeds whom.

A bundle is a folder. `manifest.json` describes it (see `manifest.py`). A program is a `.tflite`
file with static batch 1. Those with the role "level" are one network at several utilizations, with
the same inputs and outputs; they may be cut from one file that they share (see `sharing`). In the
place of levels there may be segments: a network with exits, from one exit to the next, at one level
or at several.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tnn_tflite.bundle.exit_level import ExitLevel, exits_behind
from tnn_tflite.bundle.folder import open_file, read_file
from tnn_tflite.bundle.programs import (
    CONTROLLER,
    GATED,
    LEVEL_SEGMENT,
    POLICY,
    SEGMENT,
    Edge,
    GatedNetwork,
    Level,
    LevelSegment,
    NamedBudget,
    Program,
    Quantization,
    TensorSpec,
    level_of_budget,
)
from tnn_tflite.errors import BundleError
from tnn_tflite.sharing.cut_level import cut_level

PATTERNS = "patterns"
OF_LEVELS = ("files", "single", "signatures")  # layouts of programs with the role "level"
LAYOUTS = (*OF_LEVELS, PATTERNS)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes an input: `input = scale * pixel + offset`, pixels from 0 to 255.

    Args:
        scale: A number for each channel. `convert` takes one number for all of them, too.
        offset: The same.
        colours: `"RGB"`, `"BGR"` or `"grey"`, the order of the channels.
        resize: `"stretch"`: the whole picture, whatever its sides. `"crop"`: its middle, with the
            sides of the input.
    """

    scale: tuple[float, ...] | float
    offset: tuple[float, ...] | float
    colours: str = "RGB"
    resize: str = "stretch"


@dataclass(frozen=True)
class SharedFile:
    """The one file of a bundle that holds every level.

    Args:
        file: Its name in the bundle's folder.
        bytes: Its size in bytes.
        sha256: Its SHA-256, 64 lower-case hexadecimal digits.
    """

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """Programs, and how they work together.

    Args:
        format_version: Version of the bundle format.
        programs: All of them, in an order in which they can run; levels rise in utilization. There
            are levels or segments, not both.
        directory: The folder that holds the files.
        layout: Of the levels. `"files"`: a file for each. `"single"`: the file of the highest, by
            which the lower ones are cut. `"signatures"`: one file with a signature for each.
            `"patterns"`: a budget policy and the network that it opens, for any level.
        shared: The file of all levels in the last two layouts, else None.
        edges: Which program feeds which.
        budgets: Of layout "patterns", those that are named, rising.
        labels: For the name of an output, the name of each class. Empty where none are known.
        preprocessing: For the name of an input, how a picture becomes it.
    """

    format_version: int
    programs: tuple[Program, ...]
    directory: Path
    layout: str = "files"
    shared: SharedFile | None = None
    edges: tuple[Edge, ...] = ()
    budgets: tuple[NamedBudget, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preprocessing: Mapping[str, Preprocessing] = field(default_factory=dict)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels, from the lowest utilization to the highest; else the named budgets."""
        if self.network is not None:
            return tuple(level_of_budget(self.network, budget) for budget in self.budgets)
        return tuple(program for program in self.programs if isinstance(program, Level))

    @cached_property
    def policy(self) -> Program | None:
        """The budget policy, or None: from the inputs and a budget to the gates of `network`."""
        return self._with_role(POLICY)

    @cached_property
    def network(self) -> GatedNetwork | None:
        """The network that a budget policy opens, or None."""
        return self._with_role(GATED)

    @cached_property
    def controller(self) -> Program | None:
        """The program that reads an input and chooses its level, or None.

        Its inputs are those of the levels. Its output "choice" has a number for each level, of
        which the largest decides. It may have an output "answer", that of the lowest level: then
        the choice of that level needs no other run.
        """
        return self._with_role(CONTROLLER)

    @cached_property
    def segments(self) -> tuple[Program, ...]:
        """The segments of a network with exits, in the order in which they run; else none.

        The first output of each is that of its exit. The others are handed on, by `edges`.
        """
        return tuple(one for one in self.programs if one.role in (SEGMENT, LEVEL_SEGMENT))

    @cached_property
    def chains(self) -> tuple["Bundle", ...]:
        """The segments of each level as a bundle of its own, rising in utilization; else none."""
        by_level: dict[float | None, list[Program]] = {}
        for one in self.segments:
            level = one.utilization if isinstance(one, LevelSegment) else None
            by_level.setdefault(level, []).append(one)
        if len(by_level) == 1:
            return (self,)
        return tuple(self._chain(segments) for segments in by_level.values())

    @cached_property
    def points(self) -> tuple[Level, ...] | tuple[ExitLevel, ...]:
        """What a dispatcher chooses from: the levels, or the exits behind segments.

        Of a network with exits at several levels the exits of each level, one level after another.
        """
        if self.levels:
            return self.levels
        return tuple(
            one
            for chain in self.chains
            for one in exits_behind(chain.segments, chain.input_quantization)
        )

    @cached_property
    def input_quantization(self) -> tuple[Quantization | None, ...]:
        """Of segments, for each of `inputs` how its integers stand for reals; empty if none do."""
        found: dict[str, Quantization | None] = {}
        for one in self.segments:
            for spec, scale in zip(one.inputs, one.input_quantization, strict=False):
                found.setdefault(spec.name, scale)
        known = tuple(found.get(spec.name) for spec in self.inputs)
        return known if any(known) else ()

    @cached_property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs of the network, so of each level, in Keras order."""
        if self.levels:
            return self.levels[0].inputs
        fed = {(edge.target, edge.input) for edge in self.edges}
        read = [
            spec for one in self.segments for spec in one.inputs if (one.name, spec.name) not in fed
        ]
        return tuple(dict.fromkeys(read))

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs of the network, so of each level or exit, in Keras order."""
        return self.levels[0].outputs if self.levels else self.segments[-1].outputs[:1]

    def read_level(self, level: Program) -> bytes:
        """Returns the plain TFLite content of a level or another program, size and hash verified.

        Give these bytes to the interpreter, not the path: a file that changes after the check
        is then never run.

        Args:
            level: One of `programs`.

        Returns:
            The bytes of a `.tflite` file with one signature, whatever the layout.

        Raises:
            BundleError: If the file is missing or is not the one that the manifest describes.
        """
        if not self._is_cut(level):
            content = read_file(self.directory, level.file, limit=level.bytes)
        else:
            content = self._cut_level(level)
        if len(content) != level.bytes:
            raise BundleError.at(
                self.directory,
                expected=f"{level.bytes} bytes in '{level.file}'",
                received="another size; the file was cut off or replaced",
            )
        digest = hashlib.sha256(content).hexdigest()
        if digest != level.sha256:
            raise BundleError.at(
                self.directory,
                expected=f"SHA-256 {level.sha256} of {self._name(level)}",
                received=f"{digest}; the file was changed or damaged",
            )
        return content

    def _chain(self, segments: list[Program]) -> "Bundle":
        names = {one.name for one in segments}
        edges = tuple(edge for edge in self.edges if edge.target in names)
        return replace(self, programs=tuple(segments), edges=edges)

    def _with_role(self, role: str) -> Program | None:
        return next((program for program in self.programs if program.role == role), None)

    def _cut_level(self, level: Level) -> bytes:
        with open_file(self.directory, level.file) as file:
            return cut_level(
                file, self.levels.index(level), size=level.bytes, name=str(self.directory)
            )

    def _is_cut(self, program: Program) -> bool:
        return self.shared is not None and isinstance(program, Level)

    def _name(self, program: Program) -> str:
        own = f"'{program.file}'"
        return f"{program.title} in {own}" if self._is_cut(program) else own
