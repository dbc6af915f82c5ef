"""The files of a bundle's folder, opened without trusting their names."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tnn_tflite.errors import BundleError

DISTRUST = "Do not use this bundle unless you know who wrote it; convert the model again."


def locate_file(directory: Path, name: str) -> Path:
    """Returns the path of a file of the bundle, links followed.

    Args:
        directory: The bundle's folder.
        name: A plain file name. A link is accepted if it stays in the folder.

    Returns:
        The absolute path of an existing regular file.

    Raises:
        BundleError: If the name leaves the folder, or there is no such file.
    """
    if not is_plain_name(name):
        raise _leaves_folder(directory, name)
    inside = Path(os.path.realpath(directory))
    path = Path(os.path.realpath(inside / name))
    if inside not in path.parents:
        raise _leaves_folder(directory, name)
    if not os.path.isfile(path):  # false, too, where the system takes no such name
        raise BundleError.at(directory, expected=f"a file '{name}'", received="no such file")
    return path


def is_plain_name(name: str) -> bool:
    """Tells whether a name has no folder, drive or stream in it, on any system.

    >>> is_plain_name("u0.5.tflite"), is_plain_name("../u0.5.tflite"), is_plain_name("C:u")
    (True, False, False)
    """
    return name not in ("", ".", "..") and not any(mark in name for mark in "/\\:\0")


def read_file(directory: Path, name: str, limit: int) -> bytes:
    """Returns the content of a file of the bundle, at most `limit + 1` bytes of it.

    The one byte more tells the caller that the file is too long, while a huge file never
    fills the memory.

    Args:
        directory: The bundle's folder.
        name: A plain file name.
        limit: The largest size in bytes that the caller accepts.

    Returns:
        The content, cut after `limit + 1` bytes.

    Raises:
        BundleError: If the name leaves the folder, or the file cannot be read.
    """
    with open_file(directory, name) as file:
        return file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)


@contextmanager
def open_file(directory: Path, name: str) -> Iterator[BinaryIO]:
    """Opens a file of the bundle for reading.

    Args:
        directory: The bundle's folder.
        name: A plain file name.

    Yields:
        The open file. What fails while it is read becomes a `BundleError`, too.

    Raises:
        BundleError: If the name leaves the folder, or the file cannot be read.
    """
    path = locate_file(directory, name)
    try:
        with open(path, "rb", opener=_open_without_links) as file:
            yield file
    except OSError as error:
        raise BundleError.at(
            directory,
            expected=f"a readable file '{name}'",
            received=str(error),
            advice="Check the permissions of the folder.",
        ) from error


def _open_without_links(path: str, flags: int) -> int:
    # Links were followed by `locate_file`: a link, or a pipe to wait at for ever, that is found
    # here was put in place since.
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | extra)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file any more")
    return descriptor


def _leaves_folder(directory: Path, name: str) -> BundleError:
    return BundleError.at(
        directory,
        expected="the name of a file in this folder",
        received=f"'{name}', which leaves the folder",
        advice=DISTRUST,
    )
