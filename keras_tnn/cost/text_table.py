"""Numbers and tables as text."""

from collections.abc import Sequence

LARGE = (("G", 1e9), ("M", 1e6), ("k", 1e3))
SMALL = (("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9), ("p", 1e-12))


def with_unit(value: float, unit: str = "") -> str:
    """A quantity with the prefix that suits its size.

    Example:

    >>> with_unit(1234567), with_unit(80), with_unit(1234567, "B"), with_unit(1.5e-6, "J")
    ('1.23 M', '80', '1.23 MB', '1.50 µJ')
    """
    whole = isinstance(value, int) or value == 0
    for prefix, size in LARGE if whole else LARGE + SMALL:
        if value >= size:
            return f"{value / size:.2f} {prefix}{unit}".rstrip()
    return f"{value:g} {unit}".rstrip()


def aligned(lines: Sequence[Sequence[str]], left: int = 0) -> str:
    """Lines of cells as text: the first `left` columns to the left, the others to the right.

    Example:

    >>> print(aligned([["layer", "MACs"], ["conv", "3.89 k"]], left=1))
    layer    MACs
    conv   3.89 k
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def placed(column: int, cell: str) -> str:
        return cell.ljust(widths[column]) if column < left else cell.rjust(widths[column])

    return "\n".join("  ".join(placed(*cell) for cell in enumerate(line)) for line in lines)
