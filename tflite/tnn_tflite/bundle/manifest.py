"""`manifest.json`: what a bundle says about itself, checked before anything is believed.

`docs/bundle.md` describes the format, version 3, and what versions 1 and 2 have in its place.
Here the parts are put together; `manifest_programs` reads programs, `manifest_checks` compares
what was read with itself and with the folder.
"""

import dataclasses
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tnn_tflite.bundle import manifest_hash
from tnn_tflite.bundle.description import LAYOUTS, PATTERNS, Bundle, Preprocessing, SharedFile
from tnn_tflite.bundle.folder import read_file
from tnn_tflite.bundle.manifest_checks import check_bundle
from tnn_tflite.bundle.manifest_fields import Fields
from tnn_tflite.bundle.manifest_programs import (
    budget,
    edge,
    labels,
    levels_of_version_2,
    preprocessing,
    program,
)
from tnn_tflite.bundle.programs import ROLES, Edge, NamedBudget, Program
from tnn_tflite.errors import MAKE_AGAIN, BundleError

FORMAT = "tnn_tflite"
FORMAT_VERSION = 3
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4 * 1024 * 1024  # bytes; 1,000 levels need about a twentieth of it


def read_bundle(directory: str | os.PathLike, roles: Collection[str] = ROLES) -> Bundle:
    """Reads the manifest of a bundle and checks it against the folder.

    The sizes of the files are checked here, the hash of a program when it is loaded.

    Args:
        directory: The folder that `convert` wrote.
        roles: The roles of programs that the caller can run. A bundle with another one is
            refused: run without that program, it would not do what its writer meant.

    Returns:
        The bundle's description.

    Raises:
        BundleError: If the folder or the manifest is missing, damaged, too new or unsafe.
    """
    directory = _existing_folder(Path(directory))
    fields = Fields(_load(directory), directory)
    version = _checked_version(fields)
    bundle = Bundle(
        format_version=version,
        directory=directory,
        **({} if version == 1 else _layout(fields)),
        **(_programs(fields, roles) if version > 2 else {"programs": levels_of_version_2(fields)}),
    )
    check_bundle(bundle)
    return bundle


def manifest_text(
    programs: Iterable[Program],
    layout: str = "files",
    shared: SharedFile | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    preprocessing: Mapping[str, Preprocessing] | None = None,
    edges: Iterable[Edge] = (),
    budgets: Iterable[NamedBudget] = (),
) -> str:
    """Returns the JSON text of a manifest in the current format."""
    optional = {
        "shared": shared and dataclasses.asdict(shared),
        "labels": labels,
        "preprocessing": preprocessing
        and {name: dataclasses.asdict(value) for name, value in preprocessing.items()},
        "edges": [_edge_record(edge) for edge in edges],
        "budgets": [dataclasses.asdict(budget) for budget in budgets],
    }
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        manifest_hash.KEY: manifest_hash.BLANK,
        "layout": layout,
        **{key: value for key, value in optional.items() if value},
        "programs": [_program_record(program) for program in programs],
    }
    return manifest_hash.with_hash(json.dumps(content, indent=2) + "\n")


def _program_record(program: Program) -> dict[str, Any]:
    record = dataclasses.asdict(program)
    if record.get("accuracy", 0) is None:
        del record["accuracy"]
    for kind in ("input", "output"):
        quantizations = record.pop(f"{kind}_quantization") or [None] * len(record[f"{kind}s"])
        record[f"{kind}s"] = [
            tensor | ({"quantization": found} if found else {})
            for tensor, found in zip(record[f"{kind}s"], quantizations, strict=True)
        ]
    return record


def _edge_record(edge: Edge) -> dict[str, str]:
    return {"from": edge.source, "output": edge.output, "to": edge.target, "input": edge.input}


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
    if manifest_hash.KEY not in fields:
        return
    claimed = fields.sha256(manifest_hash.KEY)
    if not manifest_hash.vouches(content, claimed):
        raise BundleError.at(
            directory,
            expected=f"a '{MANIFEST}' with the hash that it names, {claimed}",
            received="another hash; the manifest was changed or damaged",
            advice=f"{MAKE_AGAIN} Who means to change it leaves `{manifest_hash.KEY}` out.",
        )


def _checked_version(fields: Fields) -> int:
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
    return version


def _layout(fields: Fields) -> dict[str, Any]:
    layout = fields.choice("layout", LAYOUTS)
    if layout in ("files", PATTERNS):
        return {"layout": layout}
    shared = fields.record("shared")
    return {
        "layout": layout,
        "shared": SharedFile(
            file=shared.text("file"),
            bytes=shared.integer("bytes", at_least=1),
            sha256=shared.sha256("sha256"),
        ),
    }


def _programs(fields: Fields, roles: Collection[str]) -> dict[str, Any]:
    return {
        "programs": tuple(program(record, roles) for record in fields.records("programs")),
        "edges": tuple(map(edge, fields.records("edges") if "edges" in fields else ())),
        "budgets": tuple(map(budget, fields.records("budgets") if "budgets" in fields else ())),
        "labels": labels(fields),
        "preprocessing": preprocessing(fields),
    }
