"""The file of a device's table, beside the bundle, and whether to believe it.

It stands beside the bundle's folder and not in it: the folder is the same on every device and
holds nothing but what `convert` wrote. For the bundle `net` it is named, for example,
`net.ai_edge_litert-1.latency.json`: the runtime and the number of threads, as each has times of
its own. The file, version 1::

    {
      "format": "tnn_tflite_latency",
      "format_version": 1,
      "conditions": {"manifest_sha256": "9f86...", "runtime": "ai_edge_litert", "num_threads": 1,
                     "delegate": null, "device": "AMD EPYC, 2 cores"},
      "levels": [{"utilization": 0.5, "milliseconds": 2.2, "percentile_90": 2.4,
                  "joules": null, "accuracy": null}],
      "controller": {"milliseconds": 0.1, "percentile_90": 0.1}
    }

`controller` may be missing or null. Of a network with exits each level has its `exit`, by name.
"""

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tnn_tflite.latency.table import (
    Conditions,
    ControllerMeasurement,
    DeviceTable,
    LevelMeasurement,
)
from tnn_tflite.positive import is_positive

FORMAT = "tnn_tflite_latency"
FORMAT_VERSION = 1
LARGEST_TABLE = 1024 * 1024  # bytes; 1,000 levels need about a tenth of it


Measurement = TypeVar("Measurement", LevelMeasurement, ControllerMeasurement)


class TableError(ValueError):
    """A table that is missing, damaged, or of another bundle, runtime or device."""


def table_path(directory: Path, conditions: Conditions) -> Path:
    """Returns where the table of a bundle stands.

    Args:
        directory: The bundle's folder.
        conditions: What the table holds for.
    """
    delegate = "" if conditions.delegate is None else f"-{Path(conditions.delegate).name}"
    key = f"{conditions.runtime}-{conditions.num_threads}{delegate}"
    return directory.with_name(f"{directory.name}.{key}.latency.json")


def write_table(path: Path, table: DeviceTable) -> None:
    """Writes a table so that a reader finds the old one or the new one, never half of each."""
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(table)}
    text = json.dumps(content, indent=2) + "\n"
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # `mkstemp` lets nobody else read it
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def read_table(path: Path, conditions: Conditions, utilizations: Sequence[float]) -> DeviceTable:
    """Reads a table and checks that it holds here.

    Args:
        path: The file.
        conditions: What the table must hold for.
        utilizations: Those of the bundle's levels.

    Returns:
        The table.

    Raises:
        TableError: If it is missing or damaged, or holds for something else.
    """
    record = _load(path)
    _check(path, record, "format", lambda value: value == FORMAT, f'"{FORMAT}"')
    _check(path, record, "format_version", lambda value: value == FORMAT_VERSION, FORMAT_VERSION)
    _check(path, record, "conditions", lambda value: isinstance(value, dict), "an object")
    for name, expected in dataclasses.asdict(conditions).items():
        _check(path, record["conditions"], name, expected.__eq__, repr(expected))
    records = _check(path, record, "levels", lambda value: isinstance(value, list), "a list")
    levels = tuple(_measurement(path, record, LevelMeasurement) for record in records)
    if [level.utilization for level in levels] != list(utilizations):
        raise _error(path, f"the levels {list(utilizations)}", [v.utilization for v in levels])
    controller = record.get("controller")
    if controller is not None:
        controller = _measurement(path, controller, ControllerMeasurement)
    return DeviceTable(conditions, levels, controller)


def _load(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_TABLE + 1)
        record = json.loads(content) if len(content) <= LARGEST_TABLE else None
    except FileNotFoundError as error:
        raise _error(path, "a file", "no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _error(path, "a readable file of JSON", error) from error
    if not isinstance(record, dict):
        raise _error(path, "a JSON object", "something else")
    return record


def _measurement(path: Path, record: Any, kind: type[Measurement]) -> Measurement:
    if not isinstance(record, dict):
        raise _error(path, "an object for each level and a controller", record)
    names = [field.name for field in dataclasses.fields(kind) if field.name != "exit"]
    for name in names:
        is_good = {"joules": _is_positive_or_none, "accuracy": _is_share_or_none}
        _check(path, record, name, is_good.get(name, is_positive), "a number that was measured")
    return kind(**{name: record[name] for name in names}, **_exit(path, record))


def _exit(path: Path, record: dict) -> dict[str, str]:
    """The name of the exit that was measured, where there is one."""
    if record.get("exit") is None:
        return {}
    return {"exit": _check(path, record, "exit", lambda value: isinstance(value, str), "a name")}


def _is_positive_or_none(value: Any) -> bool:
    return value is None or is_positive(value)


def _is_share_or_none(value: Any) -> bool:
    return value is None or value == 0 or is_positive(value) and value <= 1


def _check(
    path: Path, record: dict, name: str, is_good: Callable[[Any], bool], expected: Any
) -> Any:
    value = record.get(name)
    # `is True`: `__eq__` of another type gives NotImplemented, which counts as true.
    if name not in record or is_good(value) is not True:
        raise _error(
            path, f"{expected} for `{name}`", "no such key" if name not in record else value
        )
    return value


def _error(path: Path, expected: Any, received: Any) -> TableError:
    text = str(received)
    return TableError(
        f"Invalid table of latencies '{path}'. Expected {expected}. "
        f"Received: {text if len(text) <= 200 else text[:197] + '...'}. "
        "Measure again with `keras-tnn calibrate BUNDLE`."
    )
