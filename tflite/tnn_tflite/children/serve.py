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
from typing import Any

from tnn_tflite.children.process import standard_output


def serve(work: Callable[[dict[str, Any]], Any]) -> None:
    """Answers requests until the parent has no more.

    Args:
        work: Takes a request and returns the answer, both made of what JSON can hold. What it
            raises is sent to the parent as text.
    """
    faulthandler.enable()  # where a crash was, for the log
    answers = standard_output()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, sys.argv[1]), daemon=True).start()
    # The first line says that all is loaded: a child that dies before it could not start.
    answers.write("ready\n")
    answers.flush()
    while True:
        answers.write(json.dumps(_answer(work, json.loads(requests.get()))) + "\n")
        answers.flush()


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
