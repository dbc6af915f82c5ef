"""A folder takes the place of another, and what killed runs left beside it goes.

A new folder is filled beside its destination, as `.NAME.new-1a2b3c4d`, and then exchanged with
it. Its writer holds a lock on it, which the system takes back when the process ends, however it
ends. So a folder of this kind that can be locked belongs to nobody any more.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tnn_tflite.bundle.exchange import exchange

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def temporary_sibling(destination: Path) -> Iterator[Path]:
    """Makes a folder beside the destination, on the same disk, and removes what is left of it."""
    folder = _sibling_name(destination, "new")
    folder.mkdir()
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_folder(destination: Path, folder: Path) -> None:
    """Puts `folder` in the place of `destination`, which stands or is replaced at every moment.

    What stood at `destination` is deleted, or comes back if the replacement fails. Where the
    system cannot exchange two names, there is one moment at which it stands aside, as
    `.NAME.old-1a2b3c4d`; `clear_leftovers` brings it back if the process is killed then.

    Args:
        destination: A name that is free, or a folder.
        folder: A folder on the same file system.
    """
    if not destination.exists():
        folder.rename(destination)
    elif exchange(folder, destination):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _replace_in_two_steps(destination, folder)
    flush_folder(destination.parent)


def clear_leftovers(destination: Path) -> None:
    """Removes what killed runs left beside `destination`, or puts it back where it stood.

    Folders that a running process still writes are left alone, and so is everything where
    folders cannot be locked.

    Args:
        destination: The folder that `replace_folder` replaces.
    """
    for purpose in ("old", "new"):
        for folder in _siblings(destination, purpose):
            with _held(folder) as held:
                if held and purpose == "old" and not destination.exists():
                    folder.rename(destination)
                elif held:
                    shutil.rmtree(folder, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Asks the system to write the names in a folder to the disk."""
    # Some systems (Windows) and file systems cannot flush a folder; the files are flushed.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace_in_two_steps(destination: Path, folder: Path) -> None:
    aside = _sibling_name(destination, "old")
    with _held(destination):
        destination.rename(aside)
        try:
            folder.rename(destination)
        except BaseException:
            aside.rename(destination)
            raise
        # Half deleted, it must not look like a bundle that waits to be put back.
        waste = aside.rename(_sibling_name(destination, "new"))
    shutil.rmtree(waste, ignore_errors=True)


def _siblings(destination: Path, purpose: str) -> list[Path]:
    """Folders beside the destination whose names `_sibling_name` gave, the newest first."""
    pattern = re.compile(rf"\.{re.escape(destination.name)}\.{purpose}-[0-9a-f]{{8}}")
    found = [path for path in _folders(destination.parent) if pattern.fullmatch(path.name)]
    return sorted(found, key=_modified, reverse=True)


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return [Path(e.path) for e in os.scandir(parent) if e.is_dir(follow_symlinks=False)]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process was quicker
        return 0.0


def _sibling_name(destination: Path, purpose: str) -> Path:
    return destination.with_name(f".{destination.name}.{purpose}-{secrets.token_hex(4)}")


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Tries to lock a folder; tells whether this process now holds it."""
    descriptor = _lock(folder)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, or a file system without locks
        os.close(descriptor)
        return None
    return descriptor
