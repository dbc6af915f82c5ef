"""A limit on the memory of loaded levels: what was not used for longest goes first."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tnn_tflite.dispatch.session_pool import SessionPool

logger = logging.getLogger("tnn_tflite")


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
        self._pools: list[SessionPool] = []
        self._ticks = itertools.count(1)
        self._is_exceeded = False

    @property
    def used(self) -> int:
        """Bytes that loaded levels need, as `SessionPool.memory` estimates them."""
        return sum(pool.memory for pool in self._pools)

    def watch(self, pool: SessionPool) -> None:
        """Counts a pool from now on."""
        self._pools.append(pool)

    def admit(self, pool: SessionPool) -> None:
        """Makes room for one more session of a pool and counts it."""
        with self._lock:
            pool.last_used = next(self._ticks)
            pool.sessions += 1
            self._make_room()

    def loaded(self, pool: SessionPool, session_bytes: int) -> None:
        """Notes what a session of a pool needs, which is known when one is there."""
        with self._lock:
            if pool.session_bytes != session_bytes:
                pool.session_bytes = session_bytes
                self._warn_if_too_large(pool)
            self._make_room()

    def lost(self, pool: SessionPool) -> None:
        """Notes that a session of a pool is gone: it failed."""
        with self._lock:
            pool.remove_session()

    def returned(self, pool: SessionPool) -> None:
        """Notes that a pool was used; a burst of threads may have left more than the limit."""
        pool.last_used = next(self._ticks)
        if self._is_exceeded:
            with self._lock:
                self._make_room()

    def _warn_if_too_large(self, pool: SessionPool) -> None:
        if pool.memory > self.limit and pool.sessions == 1:
            logger.warning(
                "u=%g needs about %d bytes, more than the memory limit of %d: it is loaded anew "
                "for every call",
                pool.utilization,
                pool.memory,
                self.limit,
            )

    def _make_room(self) -> None:
        for pool in sorted(self._pools, key=lambda pool: pool.last_used):
            while self.used > self.limit and pool.drop_idle():
                logger.info(
                    "evicted a session of u=%g: %d of %d bytes are used",
                    pool.utilization,
                    self.used,
                    self.limit,
                )
        self._is_exceeded = self.used > self.limit
