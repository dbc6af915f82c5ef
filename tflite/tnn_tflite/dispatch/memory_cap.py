"""A limit on the memory of loaded levels: what was not used for longest goes first."""

import itertools
import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tnn_tflite.bundle.description import Level

logger = logging.getLogger("tnn_tflite")


@dataclass
class LoadedLevel:
    """What is in memory of one level: a pool takes from it and puts back, the cap evicts.

    Args:
        level: The level.
        idle: Sessions that do not run now. Its `pop` and `append` are atomic.
        content: The verified bytes of the level, None if they are not there.
        sessions: How many sessions there are, those that run included. Only a cap counts them,
            this and what follows, and under its lock.
        session_bytes: What one takes; the content's size until one was measured.
        last_used: When, in ticks of the cap.
    """

    level: Level
    idle: deque[Any] = field(default_factory=deque)
    content: bytes | None = None
    sessions: int = 0
    session_bytes: int = 0
    last_used: int = 0

    def __post_init__(self) -> None:
        self.session_bytes = self.level.bytes

    @property
    def memory(self) -> int:
        """Bytes that the level needs now: its content once, and each session what it has."""
        return self.level.bytes + self.sessions * self.session_bytes if self.sessions else 0

    def drop_idle(self) -> bool:
        """Drops an idle session. False if there is none."""
        try:
            self.idle.popleft()  # the one that was idle for longest
        except IndexError:
            return False
        self.close_session()
        return True

    def close_session(self) -> None:
        """Counts a session less; the content goes with the last."""
        self.sessions -= 1
        if not self.sessions:
            self.content = None


class MemoryCap:
    """Evicts idle sessions of the least recently used level, and its content with the last one.

    Recently, not often: which levels run follows load and battery, and what was used a thousand
    times this morning says little about now. A session that runs is never evicted, so that
    threads that all run at once can exceed the limit until they are done.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()  # held while memory is counted, never while a network runs
        self._levels: list[LoadedLevel] = []
        self._ticks = itertools.count(1)
        self._is_exceeded = False

    @property
    def used(self) -> int:
        """Bytes that loaded levels need, as `LoadedLevel.memory` estimates them."""
        return sum(loaded.memory for loaded in self._levels)

    def watch(self, loaded: LoadedLevel) -> None:
        """Counts a level from now on."""
        self._levels.append(loaded)

    def admit(self, loaded: LoadedLevel) -> None:
        """Makes room for one more session and counts it."""
        with self._lock:
            loaded.last_used = next(self._ticks)
            loaded.sessions += 1
            self._make_room()

    def loaded(self, loaded: LoadedLevel, session_bytes: int) -> None:
        """Notes what a session needs, which is known when one is there."""
        with self._lock:
            if loaded.session_bytes != session_bytes:
                loaded.session_bytes = session_bytes
                self._warn_if_too_large(loaded)
            self._make_room()

    def lost(self, loaded: LoadedLevel) -> None:
        """Notes that a session is gone: it failed."""
        with self._lock:
            loaded.close_session()

    def returned(self, loaded: LoadedLevel) -> None:
        """Notes that a level was used; a burst of threads may have left more than the limit."""
        loaded.last_used = next(self._ticks)
        if self._is_exceeded:
            with self._lock:
                self._make_room()

    def _warn_if_too_large(self, loaded: LoadedLevel) -> None:
        if loaded.memory > self.limit and loaded.sessions == 1:
            logger.warning(
                "u=%g needs about %d bytes, more than the memory limit of %d: it is loaded anew "
                "for every call",
                loaded.level.utilization,
                loaded.memory,
                self.limit,
            )

    def _make_room(self) -> None:
        for loaded in sorted(self._levels, key=lambda loaded: loaded.last_used):
            while self.used > self.limit and loaded.drop_idle():
                logger.info(
                    "evicted a session of u=%g: %d of %d bytes are used",
                    loaded.level.utilization,
                    self.used,
                    self.limit,
                )
        self._is_exceeded = self.used > self.limit
