"""`manifest.json`: what a bundle says about itself, checked before anything is believed.

The format, version 2::

    {
      "format": "tnn_tflite",
      "format_version": 2,
      "manifest_sha256": "5d41...",
      "layout": "single",
      "shared": {"file": "levels.tflite", "bytes": 9216, "sha256": "04bc..."},
      "inputs": [{"name": "image", "shape": [32, 32, 3], "dtype": "int8"}],
      "outputs": [{"name": "logits", "shape": [10], "dtype": "float32"}],
      "levels": [
        {"utilization": 0.5, "file": "levels.tflite", "macs": 1200, "parameters": 340,
         "bytes": 2816, "sha256": "9f86...",
         "input_quantization": [{"scale": 0.0078125, "zero_point": -1}]}
      ]
    }

Shapes are those of one sample. Levels rise in utilization. Further keys are ignored.

`layout` is "files" (each level has a file of its own, and there is no `shared`), "single" or
"signatures" (all levels name the file of `shared`; `sharing.plan` tells how a level is cut from
it). `bytes` and `sha256` of a level are those of its own plain TFLite content in every layout.

`input_quantization` and `output_quantization` of a level are left out where no input or output is
an integer that stands for a real number. Else they have an entry for each input or output, null
for one that is none: real = scale * (integer - zero_point).

`manifest_sha256` is the hash of the manifest itself (`manifest_hash` tells how). Who changes a
manifest by hand leaves it out.

Version 1 has no `manifest_sha256`, no `layout`, no `shared` and no quantization: it is layout
"files".
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from tnn_tflite.bundle import manifest_hash
from tnn_tflite.bundle.description import (
    LAYOUTS,
    Bundle,
    Level,
    Quantization,
    SharedFile,
    TensorSpec,
)
from tnn_tflite.bundle.folder import locate_file, read_file
from tnn_tflite.bundle.manifest_fields import Fields
from tnn_tflite.errors import MAKE_AGAIN, BundleError

FORMAT = "tnn_tflite"
FORMAT_VERSION = 2
MANIFEST = "manifest.json"
LARGEST_GROWTH = 16  # a level over the file that it is cut from: bounds memory before it is taken
LARGEST_FILE = 2**31  # bytes; a TFLite file cannot be larger
LARGEST_MANIFEST = 4 * 1024 * 1024  # bytes; 1,000 levels need about a twentieth of it


def read_bundle(directory: str | os.PathLike) -> Bundle:
    """Reads the manifest of a bundle and checks it against the folder.

    The sizes of the files are checked here, the hash of a level when it is loaded.

    Args:
        directory: The folder that `convert` wrote.

    Returns:
        The bundle's description.

    Raises:
        BundleError: If the folder or the manifest is missing, damaged, too new or unsafe.
    """
    directory = _existing_folder(Path(directory))
    fields = Fields(_load(directory), directory)
    _check_version(fields)
    bundle = Bundle(
        format_version=fields.integer("format_version", at_least=1),
        inputs=tuple(_tensor_spec(record) for record in fields.records("inputs")),
        outputs=tuple(_tensor_spec(record) for record in fields.records("outputs")),
        levels=tuple(_level(record) for record in fields.records("levels")),
        directory=directory,
        **_layout(fields),
    )
    _check_tensor_names(bundle)
    _check_levels_rise(bundle)
    _check_quantization(bundle)
    if bundle.shared is None:
        _check_own_files(bundle)
    else:
        _check_shared_file(bundle, bundle.shared)
    return bundle


def manifest_text(
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    levels: tuple[Level, ...],
    layout: str = "files",
    shared: SharedFile | None = None,
) -> str:
    """Returns the JSON text of a manifest in the current format."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        manifest_hash.KEY: manifest_hash.BLANK,
        "layout": layout,
        **({} if shared is None else {"shared": dataclasses.asdict(shared)}),
        "inputs": [dataclasses.asdict(spec) for spec in inputs],
        "outputs": [dataclasses.asdict(spec) for spec in outputs],
        "levels": [_level_record(level) for level in levels],
    }
    return manifest_hash.with_hash(json.dumps(content, indent=2) + "\n")


def _level_record(level: Level) -> dict[str, Any]:
    record = dataclasses.asdict(level)
    for name in ("input_quantization", "output_quantization"):
        if not any(record[name]):
            del record[name]
    return record


def _existing_folder(directory: Path) -> Path:
    if not directory.is_dir():
        raise BundleError.at(
            directory,
            expected="a folder that `tnn_tflite.convert` wrote",
            received="a file" if directory.exists() else "no such folder",
            advice="Check the path.",
        )
    # Levels are read later: neither `chdir` nor a link that moves on may change the folder.
    return Path(os.path.realpath(directory))


def _load(directory: Path) -> Any:
    content = read_file(directory, MANIFEST, limit=LARGEST_MANIFEST)
    if len(content) > LARGEST_MANIFEST:
        raise BundleError.at(
            directory,
            expected=f"at most {LARGEST_MANIFEST} bytes in '{MANIFEST}'",
            received="more",
        )
    try:
        record = json.loads(content, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise BundleError.at(
            directory,
            expected=f"complete JSON in '{MANIFEST}'",
            received=f"{len(content)} bytes that do not parse ({error})",
        ) from error
    _check_own_hash(content, Fields(record, directory), directory)
    return record


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values for one key, some readers would take the first and some the last."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands there twice")
    return record


def _check_own_hash(content: bytes, fields: Fields, directory: Path) -> None:
    if not fields.has(manifest_hash.KEY):
        return
    claimed = fields.sha256(manifest_hash.KEY)
    if not manifest_hash.vouches(content, claimed):
        raise BundleError.at(
            directory,
            expected=f"a '{MANIFEST}' with the hash that it names, {claimed}",
            received="another hash; the manifest was changed or damaged",
            advice=f"{MAKE_AGAIN} Who means to change it leaves `{manifest_hash.KEY}` out.",
        )


def _check_version(fields: Fields) -> None:
    if fields.text("format") != FORMAT:
        raise fields.error("format", f'"{FORMAT}"')
    version = fields.integer("format_version", at_least=1)
    if version > FORMAT_VERSION:
        raise fields.error(
            "format_version",
            f"at most {FORMAT_VERSION}",
            advice="This bundle is newer than the program: upgrade keras-tnn, or convert the "
            "model again with this version.",
        )


def _tensor_spec(fields: Fields) -> TensorSpec:
    return TensorSpec(
        name=fields.text("name"), shape=fields.sizes("shape"), dtype=fields.dtype("dtype")
    )


def _level(fields: Fields) -> Level:
    return Level(
        utilization=fields.utilization("utilization"),
        file=fields.text("file"),
        macs=fields.integer("macs", at_least=0),
        parameters=fields.integer("parameters", at_least=0),
        bytes=fields.integer("bytes", at_least=1),
        sha256=fields.sha256("sha256"),
        input_quantization=tuple(map(_quantization, fields.optional_records("input_quantization"))),
        output_quantization=tuple(
            map(_quantization, fields.optional_records("output_quantization"))
        ),
    )


def _layout(fields: Fields) -> dict[str, Any]:
    if fields.integer("format_version") == 1:
        return {"layout": "files", "shared": None}
    layout = fields.choice("layout", LAYOUTS)
    shared = None if layout == "files" else _shared_file(fields.record("shared"))
    return {"layout": layout, "shared": shared}


def _shared_file(fields: Fields) -> SharedFile:
    return SharedFile(
        file=fields.text("file"),
        bytes=fields.integer("bytes", at_least=1),
        sha256=fields.sha256("sha256"),
    )


def _quantization(fields: Fields | None) -> Quantization | None:
    if fields is None:
        return None
    return Quantization(fields.positive("scale"), fields.integer("zero_point"))


def _check_tensor_names(bundle: Bundle) -> None:
    for kind, specs in (("inputs", bundle.inputs), ("outputs", bundle.outputs)):
        names = [spec.name for spec in specs]
        if len(set(names)) < len(names):
            raise BundleError.at(
                bundle.directory, expected=f"different names for `{kind}`", received=str(names)
            )


def _check_levels_rise(bundle: Bundle) -> None:
    values = [level.utilization for level in bundle.levels]
    if any(high <= low for low, high in zip(values, values[1:], strict=False)):
        raise BundleError.at(
            bundle.directory,
            expected="levels that rise in utilization, each once",
            received=str(values),
        )


def _check_quantization(bundle: Bundle) -> None:
    for level in bundle.levels:
        for kind, specs, found in (
            ("input", bundle.inputs, level.input_quantization),
            ("output", bundle.outputs, level.output_quantization),
        ):
            if len(found) not in (0, len(specs)):
                raise BundleError.at(
                    bundle.directory,
                    expected=f"one `{kind}_quantization` for each {kind}",
                    received=f"{len(found)} for {len(specs)} {kind}s",
                )


def _check_own_files(bundle: Bundle) -> None:
    files = [level.file for level in bundle.levels]
    if len(set(files)) < len(files):
        raise BundleError.at(
            bundle.directory, expected="a file of its own for each level", received=str(files)
        )
    for level in bundle.levels:
        _check_size(bundle, level)


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


def _check_size(bundle: Bundle, owner: Level | SharedFile) -> None:
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
