"""The folder that is written: complete or not at all, and nobody else's files are touched.

Each file starts with a line that says who wrote it. A folder with other files is left alone.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from tnn_tflite.bundle.replacing import (
    clear_leftovers,
    flush_folder,
    replace_folder,
    temporary_sibling,
)

MARK = "Written by keras-tnn micro; do not edit."


def check_folder(out: Path) -> None:
    """Raises `ValueError` unless `out` may be written: it is new, empty or written before."""
    if not out.exists():
        return
    others = (
        sorted(path.name for path in out.iterdir() if not _is_ours(path)) if out.is_dir() else []
    )
    if others or not out.is_dir():
        raise ValueError(
            "Invalid value for `out`. Expected a new or empty folder, or one that "
            f"'keras-tnn micro' wrote. Received: '{out}', "
            + (f"which holds {', '.join(others[:5])}" if others else "a file")
            + ". Choose another one, or move the files away"
        )


def write_folder(out: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Writes all files, or leaves everything as it was.

    Args:
        out: The folder.
        files: Texts by file name.

    Returns:
        The names of the files.
    """
    destination = Path(os.path.realpath(out))
    destination.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(destination)
    with temporary_sibling(destination) as folder:
        for name, text in files.items():
            _write(folder / name, _marked(name, text))
        flush_folder(folder)
        check_folder(destination)
        replace_folder(destination, folder)
    return tuple(files)


def _marked(name: str, text: str) -> str:
    comment = "" if name.endswith(".txt") else "// "
    return f"{comment}{MARK}\n{text}"


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as file:
        return MARK.encode() in file.readline(len(MARK) + 4)


def _write(path: Path, text: str) -> None:
    with open(path, "x", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
