"""A child that stays alive between requests, as loading TensorFlow takes it seconds.

TensorFlow's converter runs C++ code that can crash: an int8 LSTM at batch 1 is a segmentation
fault in TensorFlow 2.21. The child takes the blow, and the parent raises an error with its log.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from tnn_tflite.children.process import ChildError, StartError, command, death
from tnn_tflite.forks import renew_in_children

LIMIT = 3600.0  # seconds for one request; the largest known network takes minutes
PATIENCE = 5.0  # seconds for a child to end when it is told to
TAIL = 6000  # characters of its log that an error shows
NOISE = "Extension modules:"  # every one that is loaded, in the report of a crash


class GuardedChild:
    """A Python process, started when first needed and again when it died.

    It ends with its parent, also if that is killed. Threads may share it; they take turns.

    Args:
        module: Full name of the module whose `main()` it runs, which calls `serve`.
        environment: Environment variables for it, on top of those of this process.
    """

    def __init__(self, module: str, environment: dict[str, str] | None = None) -> None:
        self._module = module
        self._environment = environment or {}
        self._running: _Running | None = None
        renew_in_children(self)

    def renew(self) -> None:
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts the child if it does not run, and returns while it loads its libraries."""
        with self._lock:
            self._alive()

    def folder(self) -> tempfile.TemporaryDirectory:
        """Returns a new folder for the files of one request, for a `with` statement."""
        with self._lock:
            return tempfile.TemporaryDirectory(dir=self._alive().folder)

    def run(self, request: dict[str, Any], what: str, limit: float = LIMIT) -> Any:
        """Asks the child and waits.

        Args:
            request: What JSON can hold.
            what: What it is about, for errors: "level u=0.5".
            limit: Seconds to wait.

        Returns:
            What the child's function returned.

        Raises:
            ChildError: If the child died or did not answer in time. The next call starts another.
            StartError: If it died before it was asked.
            ValueError: If its function raised an error, with the text of that.
        """
        with self._lock:
            running = self._alive()
            try:
                answer = running.ask(request, what, limit)
            except BaseException:  # Ctrl-C as well: what the child is at is of no use any more
                self._running = None
                running.end(patience=0)
                raise
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Ends the child and removes its files."""
        with self._lock:
            if self._running is not None:
                self._running.end()
                self._running = None

    def _alive(self) -> _Running:
        if self._running is None or not self._running.usable():
            self._running = _Running(self._module, self._environment)
        return self._running


class _Running:
    """One life of a child."""

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        self._owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="tnn_tflite-"))
        self._log = self.folder / "log.txt"
        self._module, self._ready = module, False
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                command(module, str(self.folder)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the parent, which ends the child
            )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        listening = (self._process.stdout, self._answers)
        threading.Thread(target=_listen, args=listening, daemon=True).start()
        self._at_exit = weakref.finalize(self, _end, self._process, self.folder, self._owner)

    def usable(self) -> bool:
        """Whether it runs and is this process's own, not that of the process it was forked from."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, request: dict[str, Any], what: str, limit: float) -> dict[str, Any]:
        if not self._ready:
            self._receive(limit, StartError, f"{self._module} could not start", 0)
            self._ready = True
        start = self._log.stat().st_size
        with suppress(BrokenPipeError):  # it died meanwhile; how is told below
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return json.loads(self._receive(limit, ChildError, what, start))

    def _receive(self, limit: float, error: type[ChildError], what: str, start: int) -> str:
        """The next line of the child, or an error with the log from `start` on."""
        try:
            answer = self._answers.get(timeout=limit)
        except queue.Empty:
            how = f"gave no answer in {limit:g} seconds and was ended"
        else:
            if answer is not None:
                return answer
            how = death(self._process.wait()) or "ended"
        raise error(f"{what}: its process {how}. The end of its log:\n{self._told(start)}")

    def _told(self, start: int) -> str:
        with open(self._log, "rb") as log:
            log.seek(start)
            lines = log.read().decode(errors="replace").splitlines()
        told = "\n".join(line for line in lines if not line.startswith(NOISE))
        return told.strip()[-TAIL:] or "(empty)"

    def end(self, patience: float = PATIENCE) -> None:
        self._at_exit.detach()
        _end(self._process, self.folder, self._owner, patience)


def _listen(answers: TextIO, queued: queue.SimpleQueue[str | None]) -> None:
    with answers:
        for line in answers:
            queued.put(line)
    queued.put(None)


def _end(process: subprocess.Popen, folder: Path, owner: int, patience: float = PATIENCE) -> None:
    if owner != os.getpid():
        return
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)
