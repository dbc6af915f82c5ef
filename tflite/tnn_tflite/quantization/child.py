"""The child's side of `guarded.py`: one line of JSON asks, one line answers.

The child ends when its standard input does, which is also what it sees when its parent was
killed. It then removes the folder that both worked in.
"""

import faulthandler
import json
import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO


def serve(work: Callable[[dict[str, Any]], Any]) -> None:
    """Answers requests until the parent has no more.

    Args:
        work: Takes a request and returns the answer, both made of what JSON can hold. What it
            raises is sent to the parent as text.
    """
    faulthandler.enable()  # where a crash was, for the log
    answers = _answers()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, sys.argv[1]), daemon=True).start()
    while True:
        answers.write(json.dumps(_answer(work, json.loads(requests.get()))) + "\n")
        answers.flush()


def _answers() -> TextIO:
    """Standard output for answers alone; whatever else is printed goes to the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _read(requests: queue.SimpleQueue[str], folder: str) -> None:
    for line in sys.stdin:
        requests.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # the main thread may be deep in the converter


def _answer(work: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": work(request)}
    except Exception as error:  # it is the parent's to raise, whatever it is
        return {"error": str(error) or repr(error)}
