"""Two folders change places in one step, so that neither name is ever missing.

`rename` replaces a file in one step, but no folder that has files in it. Linux and macOS can
exchange two names instead: a program killed at any moment leaves both.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_AT_FDCWD = -100  # linux/fcntl.h: a path is relative to the working folder
_RENAME_EXCHANGE = 2  # linux/fs.h
_RENAME_SWAP = 2  # macOS, sys/stdio.h
# What kernels and file systems answer that have no exchange.
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV}


def exchange(first: str | os.PathLike, second: str | os.PathLike) -> bool:
    """Lets two names on one file system change places, atomically.

    Args:
        first: An existing file or folder.
        second: Another one.

    Returns:
        Whether they changed places: False where the system or the file system cannot do it.

    Raises:
        OSError: If it can and one of the two does not exist or may not be renamed.

    Example:

    >>> from pathlib import Path
    >>> _ = Path("a").write_text("first"), Path("b").write_text("second")
    >>> not exchange("a", "b") or Path("a").read_text() == "second"
    True
    """
    function = _system_function()
    if function is None:
        return False
    if function(os.fsencode(first), os.fsencode(second)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(Path(first)), None, str(Path(second)))


def _system_function() -> Callable[[bytes, bytes], int] | None:
    if os.name != "posix":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    path, flags = ctypes.c_char_p, ctypes.c_uint
    if sys.platform == "darwin":
        swap = _function(library, "renamex_np", [path, path, flags])
        return swap and (lambda a, b: swap(a, b, _RENAME_SWAP))
    swap = _function(library, "renameat2", [ctypes.c_int, path, ctypes.c_int, path, flags])
    return swap and (lambda a, b: swap(_AT_FDCWD, a, _AT_FDCWD, b, _RENAME_EXCHANGE))


def _function(library: ctypes.CDLL, name: str, arguments: list[Any]) -> Any:
    function = getattr(library, name, None)  # an older C library lacks it
    if function is not None:
        function.argtypes = arguments
        function.restype = ctypes.c_int
    return function
