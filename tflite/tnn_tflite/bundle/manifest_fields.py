"""Typed reading of one JSON object: each field is what it should be, or the error says where."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tnn_tflite.errors import MAKE_AGAIN, BundleError
from tnn_tflite.positive import is_positive
from tnn_tflite.utilization import is_utilization

DTYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")


class Fields:
    """The fields of a JSON object, by name.

    Args:
        record: What the JSON parser gave; expected to be an object.
        directory: The bundle's folder, for error messages.
        path: Where the object stands in the manifest, for example `"levels[2]"`.
    """

    def __init__(self, record: Any, directory: Path, path: str = "") -> None:
        self._directory = directory
        self._path = path
        if not isinstance(record, dict):
            raise self._error_at(path or "the manifest", "an object", _short(record))
        self._record = record

    def error(self, name: str, expected: str, advice: str = MAKE_AGAIN) -> BundleError:
        """Builds the error of a field that is not what it should be."""
        return self._error_at(self._place(name), expected, _short(self._record[name]), advice)

    def text(self, name: str) -> str:
        """Returns a string that is not empty."""
        return self._checked(name, _is_text, "a string")

    def integer(self, name: str, at_least: int | None = None) -> int:
        """Returns an integer that is not below `at_least`."""
        if at_least is None:
            return self._checked(name, _is_integer, "an integer")
        expected = f"an integer, at least {at_least}"
        return self._checked(name, lambda v: _is_integer(v) and v >= at_least, expected)

    def positive(self, name: str) -> float:
        """Returns a finite float above 0."""
        return float(self._checked(name, is_positive, "a finite number above 0"))

    def choice(self, name: str, values: tuple[str, ...]) -> str:
        """Returns one of some strings."""
        return self._checked(name, lambda v: v in values, f"one of {', '.join(values)}")

    def utilization(self, name: str) -> float:
        """Returns a float in (0, 1]."""
        return float(self._checked(name, is_utilization, "a number in (0, 1]"))

    def share(self, name: str) -> float:
        """Returns a float in [0, 1]."""
        expected = "a number in [0, 1]"
        return float(self._checked(name, lambda v: _is_finite(v) and 0 <= v <= 1, expected))

    def sizes(self, name: str) -> tuple[int, ...]:
        """Returns a shape: a list of positive integers, empty for one number."""
        return tuple(self._checked(name, _is_shape, "a list of positive integers"))

    def dtype(self, name: str) -> str:
        """Returns the name of a supported element type."""
        return self._checked(name, lambda v: v in DTYPES, f"one of {', '.join(DTYPES)}")

    def sha256(self, name: str) -> str:
        """Returns 64 lower-case hexadecimal digits."""
        return self._checked(name, _is_sha256, "64 hexadecimal digits, lower case")

    def records(self, name: str) -> list[Fields]:
        """Returns a list of objects that is not empty."""
        values = self._checked(name, lambda v: isinstance(v, list) and v != [], "a filled list")
        place = self._place(name)
        return [Fields(v, self._directory, f"{place}[{i}]") for i, v in enumerate(values)]

    def optional_records(self, name: str) -> list[Fields | None]:
        """Returns a list of objects and nulls; an empty one if there is no such key."""
        if name not in self:
            return []
        values = self._checked(name, lambda v: isinstance(v, list), "a list")
        path = f"{self._place(name)}[{{}}]"
        return [
            None if value is None else Fields(value, self._directory, path.format(i))
            for i, value in enumerate(values)
        ]

    def optional_record(self, name: str) -> Fields | None:
        """Returns an object; None if there is none, or no such key."""
        return None if self._record.get(name) is None else self.record(name)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Returns a list of finite numbers that is not empty."""
        values = self._checked(name, _are(_is_finite), "a filled list of finite numbers")
        return tuple(map(float, values))

    def counts(self, name: str) -> tuple[int, ...]:
        """Returns a list of integers, zero or more, that is not empty."""
        values = self._checked(name, _are(_is_count), "a filled list of integers, zero or more")
        return tuple(values)

    def texts(self, name: str) -> list[str]:
        """Returns a list of strings that is not empty."""
        return self._checked(name, _are(_is_text), "a filled list of strings")

    def record(self, name: str) -> Fields:
        """Returns an object."""
        value = self._checked(name, lambda v: isinstance(v, dict), "an object")
        return Fields(value, self._directory, self._place(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __contains__(self, name: str) -> bool:
        return name in self._record

    def _checked(self, name: str, is_good: Any, expected: str) -> Any:
        if name not in self._record:
            raise self._error_at(self._place(name), expected, "no such key")
        if not is_good(self._record[name]):
            raise self.error(name, expected)
        return self._record[name]

    def _place(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _error_at(
        self, place: str, expected: str, received: str, advice: str = MAKE_AGAIN
    ) -> BundleError:
        return BundleError.at(
            self._directory,
            expected=f"{expected} for `{place}` in its manifest",
            received=received,
            advice=advice,
        )


def _is_text(value: object) -> bool:
    # JSON can write half of a surrogate pair: no text, and no system prints it or has such a file.
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value != ""


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return _is_integer(value) and value >= 0


def _is_finite(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max  # false for NaN, and for huge integers


def _are(is_good: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda values: isinstance(values, list) and values != [] and all(map(is_good, values))


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(_is_integer(size) and size > 0 for size in value)


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
