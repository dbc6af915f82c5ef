"""`manifest.json`: what a bundle says about itself, checked before anything is believed.

The format, version 1::

    {
      "format": "tnn_tflite",
      "format_version": 1,
      "inputs": [{"name": "image", "shape": [32, 32, 3], "dtype": "float32"}],
      "outputs": [{"name": "logits", "shape": [10], "dtype": "float32"}],
      "levels": [
        {"utilization": 0.5, "file": "u0.5.tflite", "macs": 1200, "parameters": 340,
         "bytes": 2816, "sha256": "9f86..."}
      ]
    }

Shapes are those of one sample. Levels rise in utilization. Further keys are ignored.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from tnn_tflite.bundle import Bundle, Level, TensorSpec
from tnn_tflite.errors import BundleError
from tnn_tflite.folder import locate_file, read_file
from tnn_tflite.manifest_fields import Fields

FORMAT = "tnn_tflite"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4 * 1024 * 1024  # bytes; 1,000 levels need about a twentieth of it


def read_bundle(directory: str | os.PathLike) -> Bundle:
    """Reads the manifest of a bundle and checks it against the folder.

    The size of each level's file is checked here, its hash when the level is loaded.

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
    )
    _check_tensor_names(bundle)
    _check_levels_rise(bundle)
    _check_files(bundle)
    return bundle


def manifest_text(
    inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], levels: tuple[Level, ...]
) -> str:
    """Returns the JSON text of a manifest in the current format."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "inputs": [dataclasses.asdict(spec) for spec in inputs],
        "outputs": [dataclasses.asdict(spec) for spec in outputs],
        "levels": [dataclasses.asdict(level) for level in levels],
    }
    return json.dumps(content, indent=2) + "\n"


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
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError.at(
            directory,
            expected=f"complete JSON in '{MANIFEST}'",
            received=f"{len(content)} bytes that do not parse ({error})",
        ) from error


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
    )


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
    files = [level.file for level in bundle.levels]
    if len(set(files)) < len(files):
        raise BundleError.at(
            bundle.directory, expected="a file of its own for each level", received=str(files)
        )


def _check_files(bundle: Bundle) -> None:
    for level in bundle.levels:
        size = locate_file(bundle.directory, level.file).stat().st_size
        if size != level.bytes:
            raise BundleError.at(
                bundle.directory,
                expected=f"{level.bytes} bytes in '{level.file}'",
                received=f"{size} bytes; the file was cut off or replaced",
            )
