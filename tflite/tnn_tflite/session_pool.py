"""The sessions of one level, shared by all threads without a lock around inference."""

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle import Bundle, Level
from tnn_tflite.interpreter import Runtime
from tnn_tflite.session import Session


class SessionPool:
    """A free list of sessions: a thread takes an idle one, or makes another.

    A level that `n` threads use at once holds at most `n` sessions.

    Args:
        bundle: The bundle that the level belongs to.
        level: The level.
        runtime: Makes the interpreters.
    """

    def __init__(self, bundle: Bundle, level: Level, runtime: Runtime) -> None:
        self._bundle = bundle
        self._level = level
        self._runtime = runtime
        self._idle: deque[Session] = deque()  # its `pop` and `append` are atomic
        self._content: bytes | None = None
        self._loading = threading.Lock()

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs a batch on an idle session; see `Session.run`."""
        session = self._take()
        outputs = session.run(inputs)
        # Not in a `finally`: a session that failed half-way is dropped, not used again.
        self._idle.append(session)
        return outputs

    def warm_up(self) -> None:
        """Loads the level if it is not loaded, and runs it once on zeros."""
        if not self._idle:
            session = self._take()  # first: it checks the shapes that the manifest promises
            session.run([np.zeros((1, *spec.shape), spec.dtype) for spec in self._bundle.inputs])
            self._idle.append(session)

    def _take(self) -> Session:
        try:
            return self._idle.pop()
        except IndexError:
            return Session(self._bundle, self._level, self._verified_content(), self._runtime)

    def _verified_content(self) -> bytes:
        with self._loading:
            if self._content is None:
                self._content = self._bundle.read_level(self._level)
            return self._content
