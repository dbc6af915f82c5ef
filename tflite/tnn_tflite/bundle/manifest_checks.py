"""What a manifest says is compared with itself, and with the files in the folder."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tnn_tflite.bundle.description import Bundle, SharedFile
from tnn_tflite.bundle.folder import locate_file
from tnn_tflite.bundle.pattern_checks import check_patterns
from tnn_tflite.bundle.programs import ANSWER, CHOICE, CONTROLLER, Level, Program, TensorSpec
from tnn_tflite.bundle.segment_checks import check_segments
from tnn_tflite.errors import BundleError

LARGEST_GROWTH = 16  # a level over the file that it is cut from: bounds memory before it is taken
LARGEST_FILE = 2**31  # bytes; a TFLite file cannot be larger


def check_bundle(bundle: Bundle) -> None:
    """Raises `BundleError` if parts of a bundle do not fit to each other or to the files."""
    _check_different(bundle, "programs", (program.name for program in bundle.programs))
    for program in bundle.programs:
        _check_tensors(bundle, program)
    if bundle.segments:
        check_segments(bundle)
    else:
        _check_levels(bundle)
    _check_controller(bundle)
    _check_edges(bundle)
    check_patterns(bundle)
    _check_labels(bundle)
    _check_preprocessing(bundle)
    if bundle.shared is None:
        _check_own_files(bundle, bundle.programs)
    else:
        _check_shared_file(bundle, bundle.shared)
        others = [program for program in bundle.programs if not isinstance(program, Level)]
        _check_own_files(bundle, others)


def _check_different(bundle: Bundle, kind: str, names: Iterable[str]) -> None:
    names = list(names)
    if len(set(names)) < len(names):
        raise BundleError.at(
            bundle.directory, expected=f"different names for `{kind}`", received=str(names)
        )


def _check_tensors(bundle: Bundle, program: Program) -> None:
    for kind, specs, found in (
        ("input", program.inputs, program.input_quantization),
        ("output", program.outputs, program.output_quantization),
    ):
        _check_different(bundle, f"{kind}s", (spec.name for spec in specs))
        if len(found) not in (0, len(specs)):
            raise BundleError.at(
                bundle.directory,
                expected=f"one `{kind}_quantization` for each {kind}",
                received=f"{len(found)} for {len(specs)} {kind}s",
            )


def _check_levels(bundle: Bundle) -> None:
    if not bundle.levels:
        raise BundleError.at(
            bundle.directory,
            expected="a program with the role 'level'",
            received=str(sorted({program.role for program in bundle.programs})),
        )
    first = bundle.levels[0]
    for level in bundle.levels:
        if (level.inputs, level.outputs) != (first.inputs, first.outputs):
            raise BundleError.at(
                bundle.directory,
                expected=f"the inputs and outputs of '{first.name}' for every level",
                received=f"{level.inputs}, {level.outputs} of '{level.name}'",
            )
    values = [level.utilization for level in bundle.levels]
    if any(high <= low for low, high in zip(values, values[1:], strict=False)):
        raise BundleError.at(
            bundle.directory,
            expected="levels that rise in utilization, each once",
            received=str(values),
        )


def _check_controller(bundle: Bundle) -> None:
    controller = bundle.controller
    if controller is None:
        return
    count = [program.role for program in bundle.programs].count(CONTROLLER)
    if count > 1:
        raise BundleError.at(
            bundle.directory, expected="at most one controller", received=str(count)
        )
    if controller.inputs != bundle.inputs:
        raise BundleError.at(
            bundle.directory,
            expected=f"a controller that reads what the levels read, {bundle.inputs}",
            received=str(controller.inputs),
        )
    choice = _tensor(controller.outputs, CHOICE)
    if choice is None or choice[0] != (len(bundle.levels),):
        raise BundleError.at(
            bundle.directory,
            expected=f"an output '{CHOICE}' of the controller, a number for each of the "
            f"{len(bundle.levels)} levels",
            received="none" if choice is None else f"shape {choice[0]}",
        )
    others = [spec for spec in controller.outputs if spec.name != CHOICE]
    if others and others != [replace(spec, name=ANSWER) for spec in bundle.outputs]:
        raise BundleError.at(
            bundle.directory,
            expected=f"no other output of the controller than '{ANSWER}', which is that of a "
            f"level with one output, {bundle.outputs}",
            received=str(others),
        )


def _check_edges(bundle: Bundle) -> None:
    """An edge goes from a program to a later one, so that there are no circles."""
    places = {program.name: place for place, program in enumerate(bundle.programs)}
    fed = [(edge.target, edge.input) for edge in bundle.edges]
    for edge in bundle.edges:
        source, target = places.get(edge.source), places.get(edge.target)
        if source is None or target is None or source >= target:
            raise BundleError.at(
                bundle.directory,
                expected="`edges` from a program to one that stands after it",
                received=f"from '{edge.source}' to '{edge.target}' among {list(places)}",
            )
        for program in (bundle.programs[source], bundle.programs[target]):
            if isinstance(program, Level):
                raise BundleError.at(
                    bundle.directory,
                    expected="no `edges` of a level, which runs alone",
                    received=f"one of '{program.name}'",
                )
        handed = _tensor(bundle.programs[source].outputs, edge.output)
        read = _tensor(bundle.programs[target].inputs, edge.input)
        is_once = fed.count((edge.target, edge.input)) == 1
        if handed is None or handed != read or not is_once:
            raise BundleError.at(
                bundle.directory,
                expected=f"an output that fits input '{edge.input}' of '{edge.target}', once",
                received=f"{handed} for {read}" if is_once else "two",
            )


def _tensor(specs: Sequence[TensorSpec], name: str) -> tuple[tuple[int, ...], str] | None:
    return next(((spec.shape, spec.dtype) for spec in specs if spec.name == name), None)


def _check_labels(bundle: Bundle) -> None:
    for name, labels in bundle.labels.items():
        found = _tensor(bundle.outputs, name)
        if found is None or found[0][-1:] != (len(labels),):
            raise BundleError.at(
                bundle.directory,
                expected=f"`labels` for each class of an output, here '{name}'",
                received=f"{len(labels)} for {'no such output' if found is None else found[0]}",
            )


def _check_preprocessing(bundle: Bundle) -> None:
    for name, steps in bundle.preprocessing.items():
        shape, _ = _tensor(bundle.inputs, name) or ((), "")
        channels = 1 if steps.colours == "grey" else 3
        sizes = {channels, len(steps.scale), len(steps.offset), *shape[2:]}
        if len(shape) != 3 or sizes != {channels}:
            raise BundleError.at(
                bundle.directory,
                expected=f"`preprocessing` of a picture with {channels} channels for '{name}'",
                received=f"{steps} for an input of shape {shape}",
            )


def _check_own_files(bundle: Bundle, programs: Sequence[Program]) -> None:
    files = [program.file for program in programs] + ([bundle.shared.file] if bundle.shared else [])
    if len(set(files)) < len(files):
        raise BundleError.at(
            bundle.directory, expected="a file of its own for each program", received=str(files)
        )
    for program in programs:
        _check_size(bundle, program)


def _check_shared_file(bundle: Bundle, shared: SharedFile) -> None:
    files = {level.file for level in bundle.levels}
    if files != {shared.file}:
        raise BundleError.at(
            bundle.directory,
            expected=f"every level in the shared file '{shared.file}'",
            received=str(sorted(files)),
        )
    _check_size(bundle, shared)
    largest = max(level.bytes for level in bundle.levels)
    if largest > LARGEST_GROWTH * shared.bytes:
        raise BundleError.at(
            bundle.directory,
            expected=f"levels of at most {LARGEST_GROWTH} times the shared file's size",
            received=f"{largest} bytes from {shared.bytes}",
        )


def _check_size(bundle: Bundle, owner: Program | SharedFile) -> None:
    if owner.bytes > LARGEST_FILE:
        raise BundleError.at(
            bundle.directory,
            expected=f"at most {LARGEST_FILE} bytes in '{owner.file}'",
            received=f"{owner.bytes}",
        )
    size = locate_file(bundle.directory, owner.file).stat().st_size
    if size != owner.bytes:
        raise BundleError.at(
            bundle.directory,
            expected=f"{owner.bytes} bytes in '{owner.file}'",
            received=f"{size} bytes; the file was cut off or replaced",
        )
