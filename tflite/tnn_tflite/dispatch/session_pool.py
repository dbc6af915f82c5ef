"""The sessions of one level, shared by all threads without a lock around inference."""

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle, Level
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.session import Session


class SessionPool:
    """A free list of sessions: a thread takes an idle one, or makes another.

    A level that `n` threads use at once holds at most `n` sessions.

    Args:
        bundle: The bundle that the level belongs to.
        level: The level.
        runtime: Makes the interpreters.
        cap: Evicts sessions of all the pools that share it, or None.
    """

    def __init__(
        self, bundle: Bundle, level: Level, runtime: Runtime, cap: MemoryCap | None = None
    ) -> None:
        self._bundle = bundle
        self._level = level
        self._runtime = runtime
        self._idle: deque[Session] = deque()  # its `pop` and `append` are atomic
        self._content: bytes | None = None
        self._loading = threading.Lock()
        self._cap = cap
        # The cap's own, changed under its lock only:
        self.sessions = 0
        self.session_bytes = level.bytes
        self.last_used = 0
        if cap is not None:
            cap.watch(self)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs a batch on an idle session; see `Session.run`."""
        return self._run_on(self._take(), inputs)

    def run_and_tell(self, inputs: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Runs a batch, and tells whether the session had run before.

        The first run of a session is slow: it was loaded for it, and touches its memory first.
        """
        session = self._take()
        was_warm = session.is_warm
        return self._run_on(session, inputs), was_warm

    def warm_up(self) -> None:
        """Loads the level if it is not loaded, and runs it once on zeros."""
        if not self._idle:
            # `_take` checks the shapes that the manifest promises, before arrays are made of them.
            session = self._take()
            self._run_on(
                session, [np.zeros((1, *spec.shape), spec.dtype) for spec in self._bundle.inputs]
            )

    @property
    def utilization(self) -> float:
        """The level's."""
        return self._level.utilization

    @property
    def memory(self) -> int:
        """Bytes that the level needs now: its content once, and each session what it has."""
        return self._level.bytes + self.sessions * self.session_bytes if self.sessions else 0

    def drop_idle(self) -> bool:
        """Drops an idle session. False if there is none. For the cap only."""
        try:
            self._idle.popleft()  # the one that was idle for longest
        except IndexError:
            return False
        self.remove_session()
        return True

    def remove_session(self) -> None:
        """Counts a session less; the content goes with the last. For the cap only."""
        self.sessions -= 1
        if not self.sessions:
            self._content = None

    def _run_on(self, session: Session, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            outputs = session.run(inputs)
        except BaseException:
            # A session that failed half-way is dropped, not used again.
            if self._cap is not None:
                self._cap.lost(self)
            raise
        self._put_back(session)
        return outputs

    def _take(self) -> Session:
        try:
            return self._idle.pop()
        except IndexError:
            return self._new_session()

    def _new_session(self) -> Session:
        if self._cap is None:
            return self._load()
        self._cap.admit(self)
        try:
            session = self._load()
        except BaseException:
            self._cap.lost(self)
            raise
        self._cap.loaded(self, session.memory())
        return session

    def _load(self) -> Session:
        return Session(self._bundle, self._level, self._verified_content(), self._runtime)

    def _put_back(self, session: Session) -> None:
        self._idle.append(session)
        if self._cap is not None:
            self._cap.returned(self)

    def _verified_content(self) -> bytes:
        with self._loading:
            if self._content is None:
                self._content = self._bundle.read_level(self._level)
            return self._content
