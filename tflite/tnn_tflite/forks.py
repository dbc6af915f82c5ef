"""What a child of `os.fork` makes anew, and what it leaves to its parent.

Of a process's threads a child has one, that which forked. A lock that another thread held then
would stay locked in the child for ever, and an interpreter with threads of its own would wait for
them, even to be deleted.
"""

import os
import weakref
from typing import Any, Protocol


class Renewed(Protocol):
    """Something with locks, of which each child needs its own.

    What they protect has to be of use in any state that another thread may have left it in. The
    locks are plain ones: a signal's exception between a `__enter__` written in Python and its
    `with` would leave them locked.
    """

    def renew(self) -> None:
        """Makes the locks, at first and in each child."""


_known: weakref.WeakSet[Renewed] = weakref.WeakSet()
_left: list[Any] = []


def renew_in_children(one: Renewed) -> None:
    """Calls `one.renew()` now, and first of all in every child that is forked."""
    one.renew()
    _known.add(one)


def leave_to_parent(one: Any) -> None:
    """In a child: keeps what is the parent's, so that it is neither used nor deleted."""
    _left.append(one)


def _renew_all() -> None:
    for one in list(_known):
        one.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_all)
