"""A limit on the memory of loaded programs: what was not used for longest goes first."""

import itertools
import logging
import threading
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tnn_tflite.bundle.programs import Program
from tnn_tflite.forks import leave_to_parent, renew_in_children

logger = logging.getLogger("tnn_tflite")


class Seat:
    """What is counted of a session. It lives as long as the session, or the try to load it.

    So a session is counted no longer wherever it was lost, by whatever exception: a signal's may
    come between any two steps.
    """


@dataclass
class LoadedProgram:
    """What is in memory of one program: a pool takes from it and puts back, the cap evicts.

    Args:
        program: A level or the controller.
        idle: Sessions that do not run now. Its `pop` and `append` are atomic.
        content: The verified bytes of the program, None if they are not there.
        seats: Of the sessions that there are, those that run included. Only a cap counts them,
            this and what follows, and under its lock.
        session_bytes: What one takes; the content's size until one was measured.
        last_used: When, in ticks of the cap.
        keeps_content: Whether the content stays when the last session goes.
    """

    program: Program
    idle: deque[Any] = field(default_factory=deque)
    content: bytes | None = None
    # No `WeakSet`: its bookkeeping is Python that a signal's exception may end half-way.
    seats: list[weakref.ref[Seat]] = field(default_factory=list)
    session_bytes: int = 0
    last_used: int = 0
    keeps_content: bool = False

    def __post_init__(self) -> None:
        self.session_bytes = self.program.bytes

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return sum(seat() is not None for seat in self.seats)

    def add(self, seat: Seat) -> None:
        """Counts a session more, and forgets those that are gone."""
        self.seats = [one for one in self.seats if one() is not None] + [weakref.ref(seat)]

    def remove(self, seat: Seat) -> None:
        """Counts a session no longer, though the traceback of what failed may keep it."""
        self.seats = [one for one in self.seats if one() not in (None, seat)]

    @property
    def memory(self) -> int:
        """Bytes that the program needs now: its content once, and each session what it has."""
        content = self.program.bytes if self.sessions or self.keeps_content else 0
        return content + self.sessions * self.session_bytes

    def drop_idle(self) -> bool:
        """Drops an idle session. False if there is none."""
        try:
            self.idle.popleft()  # the one that was idle for longest
        except IndexError:
            return False
        self.release()
        return True

    def release(self) -> None:
        """Lets the content go if no session is left."""
        if not self.sessions and not self.keeps_content:
            self.content = None

    def leave(self) -> None:
        """In a child of a fork: begins anew without the parent's sessions."""
        leave_to_parent(list(self.idle))
        self.idle, self.seats = deque(), []


class MemoryCap:
    """Evicts idle sessions of the least recently used program, and its content with the last one.

    Recently, not often: which levels run follows load and battery, and what was used a thousand
    times this morning says little about now. A session that runs is never evicted, so that
    threads that all run at once can exceed the limit until they are done.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._programs: list[LoadedProgram] = []
        self._ticks = itertools.count(1)
        self._is_exceeded = False
        renew_in_children(self)

    def renew(self) -> None:
        self._lock = threading.Lock()  # held while memory is counted, never while a network runs

    @property
    def used(self) -> int:
        """Bytes that loaded programs need, as `LoadedProgram.memory` estimates them."""
        return sum(loaded.memory for loaded in self._programs)

    def watch(self, loaded: LoadedProgram) -> None:
        """Counts a program from now on."""
        self._programs.append(loaded)

    def forget(self, loaded: LoadedProgram) -> None:
        """Counts a program no longer: whoever held it has let it go."""
        with self._lock:
            self._programs.remove(loaded)

    def admit(self, loaded: LoadedProgram) -> Seat:
        """Makes room for one more session and counts it, as long as its seat lives."""
        with self._lock:
            loaded.last_used = next(self._ticks)
            seat = Seat()
            loaded.add(seat)
            self._make_room()
        return seat

    def loaded(self, loaded: LoadedProgram, session_bytes: int) -> None:
        """Notes what a session needs, which is known when one is there."""
        with self._lock:
            if loaded.session_bytes != session_bytes:
                loaded.session_bytes = session_bytes
                self._warn_if_too_large(loaded)
            self._make_room()

    def lost(self, loaded: LoadedProgram, seat: Seat) -> None:
        """Notes that a session is gone: it failed."""
        with self._lock:
            loaded.remove(seat)
            loaded.release()

    def returned(self, loaded: LoadedProgram) -> None:
        """Notes that a program was used; a burst of threads may have left more than the limit."""
        loaded.last_used = next(self._ticks)
        if self._is_exceeded:
            with self._lock:
                self._make_room()

    def _warn_if_too_large(self, loaded: LoadedProgram) -> None:
        if loaded.memory > self.limit and loaded.sessions == 1:
            logger.warning(
                "%s needs about %d bytes, more than the memory limit of %d: it is loaded anew "
                "for every call",
                loaded.program.title,
                loaded.memory,
                self.limit,
            )

    def _make_room(self) -> None:
        for loaded in sorted(self._programs, key=lambda loaded: loaded.last_used):
            loaded.release()
            while self.used > self.limit and loaded.drop_idle():
                logger.info(
                    "evicted a session of %s: %d of %d bytes are used",
                    loaded.program.title,
                    self.used,
                    self.limit,
                )
        self._is_exceeded = self.used > self.limit
