"""A child process that answers one line with lines, until it dies."""

import json
import os
import select
import subprocess
import sys
import time
from typing import Any

from tnn_tflite.children.process import death


class Died(Exception):
    """The child ended, or had to be ended, before it answered."""


class Served:
    """Asks a child, and starts another one when it has died.

    Args:
        command: The command line of the child.
        seconds: How long it may take for one answer.
    """

    def __init__(self, command: list[str], seconds: float = 10.0) -> None:
        self._command = command
        self._seconds = seconds
        self._child: subprocess.Popen | None = None

    def ask(self, request: str) -> dict[str, Any]:
        """Sends a line and returns the answer: the first JSON line that is no progress.

        Raises:
            Died: If there is no answer. Its text says how the child ended.
        """
        child = self._alive()
        try:
            child.stdin.write(request.encode())
            child.stdin.flush()
        except BrokenPipeError:
            raise self._dead("") from None
        deadline = time.monotonic() + self._seconds
        text = b""
        while True:
            if not select.select([child.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                child.kill()
                raise self._dead(f"took more than {self._seconds:g} s")
            chunk = os.read(child.stdout.fileno(), 1 << 16)
            if not chunk:
                raise self._dead("")
            text += chunk
            for line in text.splitlines(keepends=True):
                if line.endswith(b"\n") and "program" not in (answer := json.loads(line)):
                    return answer

    def close(self) -> None:
        if self._child is not None:
            self._child.stdin.close()
            self._child.wait()
            self._child.stdout.close()
            self._child = None

    def _alive(self) -> subprocess.Popen:
        if self._child is None:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._child = subprocess.Popen(
                self._command, **pipes, stderr=subprocess.DEVNULL, env=environment
            )
        return self._child

    def _dead(self, reason: str) -> Died:
        status = self._child.wait()
        self._child.stdin.close()
        self._child.stdout.close()
        self._child = None
        return Died(reason or death(status) or "ended")
