"""The sessions of one program, shared by all threads without a lock around inference."""

import threading
from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import Program
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import LoadedProgram, MemoryCap
from tnn_tflite.dispatch.session import Session
from tnn_tflite.forks import renew_in_children


class SessionPool:
    """A free list of sessions: a thread takes an idle one, or makes another.

    A program that `n` threads use at once holds at most `n` sessions.

    Args:
        bundle: The bundle that the program belongs to.
        program: A level or the controller.
        runtime: Makes the interpreters.
        cap: Evicts sessions of all the pools that share it, or None.
    """

    def __init__(
        self, bundle: Bundle, program: Program, runtime: Runtime, cap: MemoryCap | None = None
    ) -> None:
        self._bundle = bundle
        self._program = program
        self._runtime = runtime
        self._cap = cap
        self.loaded = LoadedProgram(program)
        if cap is not None:
            cap.watch(self.loaded)
        renew_in_children(self)

    def renew(self) -> None:
        """In a child sessions are made anew: the parent's may be running, or have threads."""
        self._loading = threading.Lock()
        self.loaded.leave()

    def keep_content(self) -> None:
        """Reads the program's file now, and never again: the bundle may get another one."""
        self.loaded.keeps_content = True
        self._verified_content()

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
        """Loads the program if it is not loaded, and runs it once on zeros."""
        if not self.loaded.idle:
            # `_take` checks the shapes that the manifest promises, before arrays are made of them.
            session = self._take()
            self._run_on(
                session, [np.zeros((1, *spec.shape), spec.dtype) for spec in self._program.inputs]
            )

    def _run_on(self, session: Session, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            outputs = session.run(inputs)
        except BaseException:
            # A session that failed half-way is dropped, not used again.
            if self._cap is not None:
                self._cap.lost(self.loaded, session.seat)
            raise
        self._put_back(session)
        return outputs

    def _take(self) -> Session:
        try:
            return self.loaded.idle.pop()
        except IndexError:
            return self._new_session()

    def _new_session(self) -> Session:
        if self._cap is None:
            return self._load()
        seat = self._cap.admit(self.loaded)
        try:
            session = self._load()
        except BaseException:
            self._cap.lost(self.loaded, seat)
            raise
        session.seat = seat
        self._cap.loaded(self.loaded, session.memory())
        return session

    def _load(self) -> Session:
        return Session(self._bundle, self._program, self._verified_content(), self._runtime)

    def _put_back(self, session: Session) -> None:
        self.loaded.idle.append(session)
        if self._cap is not None:
            self._cap.returned(self.loaded)

    def _verified_content(self) -> bytes:
        with self._loading:
            if self.loaded.content is None:
                self.loaded.content = self._read()
            return self.loaded.content

    def _read(self) -> bytes:
        return self._bundle.read_level(self._program)
