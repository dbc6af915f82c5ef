"""How a child is started, how it speaks, and how it died.

It is a plain `python -c` process: multiprocessing would run the user's main module once more.
"""

import os
import signal
import sys
from typing import TextIO

# The child has the parent's `sys.path` before it imports anything: with `-m` or `-c` alone it
# would look in the working folder first, which may be a stranger's bundle.
_START = (
    "import sys; module, end = sys.argv[1], 3 + int(sys.argv[2]); sys.path[:] = sys.argv[end:]; "
    "sys.argv[:] = [module, *sys.argv[3:end]]; "
    "from importlib import import_module; import_module(module).main()"
)


class ChildError(RuntimeError):
    """The child died or did not answer. The message says how, and shows the end of its log."""


class StartError(ChildError):
    """The child died before it was asked anything, or there is no Python to start as one."""


def command(module: str, *arguments: str) -> list[str]:
    """Returns the command line of a child that calls `main()` of a module.

    Args:
        module: Its full name.
        arguments: What stands in `sys.argv[1:]` of the child.

    Raises:
        StartError: If this program has no Python interpreter, as some bundled programs.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise StartError("This program has no Python interpreter to start as a child process")
    return [sys.executable, "-c", _START, module, str(len(arguments)), *arguments, *sys.path]


def death(status: int) -> str:
    """Says how a process ended, from its exit status: "" if it ended well.

    >>> death(-11), death(0), death(3)
    ('died of SIGSEGV', '', 'ended with status 3')
    """
    if status >= 0:
        return f"ended with status {status}" if status else ""
    try:
        return f"died of {signal.Signals(-status).name}"
    except ValueError:
        return f"died of signal {-status}"


def standard_output() -> TextIO:
    """In the child: takes standard output for its answers alone.

    What libraries print there from now on, also from C++, goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers
