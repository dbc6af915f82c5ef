"""The one-line files in which Linux tells what its sensors read."""

from pathlib import Path


def read_text(path: Path) -> str | None:
    """Returns the text of a file without the line's end, or None if it cannot be read.

    A sensor that sleeps or is gone gives an error: that is a reading, too.
    """
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def read_integer(path: Path) -> int | None:
    """Returns the integer in a file, or None if it cannot be read or is none."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
