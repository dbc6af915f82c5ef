"""What tables of results share: their numbers as a dictionary, as files, and a view in notebooks.

This file stands in `keras_tnn.cost` and in `tnn_tflite`, letter for letter: a device has the second
package without the first.
"""

import contextlib
import csv
import html
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUFFIXES = (".csv", ".json")


class ResultTable:
    """Base of tables of results. A subclass writes `records` and `lines`.

    `to_dict()` suits pandas: `pandas.DataFrame(table.to_dict())`.
    """

    def records(self) -> list[dict[str, Any]]:
        """Numbers and names of each row, in units of one, bytes, Joules or as their key says."""
        raise NotImplementedError

    def lines(self) -> list[list[str]]:
        """The cells that are printed, the header first."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, list]:
        """The table by columns, each a list with a value a row; None where a row has none."""
        records = self.records()
        names = dict.fromkeys(name for record in records for name in record)
        return {name: [record.get(name) for record in records] for name in names}

    def to_csv(self) -> str:
        """The table as CSV text, with a line of names; what is None is left empty."""
        columns = self.to_dict()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue()

    def to_json(self) -> str:
        """`to_dict()` as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the table to a file: the whole of it, or nothing.

        Args:
            path: ends with .csv or .json; replaced if it exists, in one step.

        Raises:
            OSError: if the folder is missing or cannot be written.
            ValueError: if the name ends otherwise.
        """
        path = Path(path)
        text = self.to_csv() if checked_suffix(path) == ".csv" else self.to_json()
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):  # it now has its name
                os.unlink(temporary)

    def _repr_html_(self) -> str:
        """What a notebook shows: the printed cells as a table."""

        def row(cells: Sequence[str], kind: str) -> str:
            return f"<tr>{''.join(f'<{kind}>{html.escape(cell)}</{kind}>' for cell in cells)}</tr>"

        header, *others = self.lines()
        body = "".join(row(cells, "td") for cells in others)
        return f"<table><thead>{row(header, 'th')}</thead><tbody>{body}</tbody></table>"


def read_columns(path: str | os.PathLike) -> dict[str, list]:
    """Reads the columns that `ResultTable.save` wrote.

    Args:
        path: the .csv or .json file.

    Returns:
        As `ResultTable.to_dict`: numbers as numbers, empty cells as None.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such table.
    """
    text = Path(path).read_text(encoding="utf-8")
    if checked_suffix(path) == ".csv":
        header, *rows = csv.reader(io.StringIO(text)) if text else [[]]
        columns = {name: [_value(row[i]) for row in rows] for i, name in enumerate(header)}
    else:
        columns = json.loads(text)
    if not isinstance(columns, dict) or not all(isinstance(x, list) for x in columns.values()):
        raise ValueError(f"Expected a table by columns, as `save` writes it. Received: '{path}'")
    return columns


def checked_suffix(path: str | os.PathLike) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"Invalid value for `path`. Expected a name that ends with {' or '.join(SUFFIXES)}. "
            f"Received: path='{path}'"
        )
    return suffix


def _value(cell: str) -> Any:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(cell)
    return cell or None
