"""A table whose rows are dataclasses and whose columns say which attribute stands where."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from tnn_tflite.result_table import ResultTable
from tnn_tflite.text_table import aligned, cells


class RowTable(ResultTable):
    """Base of frozen dataclasses with `rows`, themselves dataclasses.

    Attributes:
        columns: By title the name of an attribute of a row, and what writes its value.
    """

    columns: ClassVar[Mapping[str, tuple[str, Callable[[Any], str]]]]

    def records(self) -> list[dict[str, Any]]:
        """Each row's attributes by name."""
        return [asdict(row) for row in self.rows]

    def lines(self) -> list[list[str]]:
        """The cells that are printed, without columns that no row fills."""
        return cells(self.rows, self.columns)

    def __str__(self) -> str:
        return aligned(self.lines())
