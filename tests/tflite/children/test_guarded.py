"""A child that dies, hangs or loses its parent: an error, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import tnn_tflite
from tnn_tflite.children.guarded import GuardedChild
from tnn_tflite.children.process import ChildError, StartError
from tnn_tflite.conversion import keras_to_tflite as conversion
from tnn_tflite.conversion.keras_to_tflite import CONVERTER, keras_to_tflite
from tnn_tflite.quantization.plan import FLOAT

WORKER = """
import os, signal, sys, time
from tnn_tflite.children.serve import serve

def work(request):
    print("working on", request)
    sys.stdout.flush()
    if "number" in request:
        return {"twice": 2 * request["number"], "process": os.getpid(), "folder": sys.argv[1]}
    if "signal" in request:
        os.kill(os.getpid(), request["signal"])
    if "status" in request:
        os._exit(request["status"])
    if "sleep" in request:
        time.sleep(request["sleep"])
    raise LookupError("no such request")

def main():
    serve(work)
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """A child that does what the test asks; its module is found only by this process's path."""
    (tmp_path / "worker_of_a_test.py").write_text(WORKER)
    monkeypatch.syspath_prepend(tmp_path)
    child = GuardedChild("worker_of_a_test")
    yield child
    child.close()


def gone(process: int, seconds: float = 10.0) -> bool:
    """Whether a process ends in time."""
    for _ in range(int(20 * seconds)):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_one_child_answers_many_requests(child):
    answers = [child.run({"number": n}, "a test") for n in range(3)]
    assert [one["twice"] for one in answers] == [0, 2, 4]
    assert len({one["process"] for one in answers}) == 1


def test_an_error_of_the_work_is_a_value_error_and_the_child_lives_on(child):
    before = child.run({"number": 1}, "a test")
    with pytest.raises(ValueError, match="^no such request$"):
        child.run({}, "a test")
    assert child.run({"number": 1}, "a test") == before


@pytest.mark.parametrize(
    ("request_", "ending"),
    [
        ({"signal": signal.SIGKILL}, "level u=0.5: its process died of SIGKILL"),
        ({"signal": signal.SIGSEGV}, "level u=0.5: its process died of SIGSEGV"),
        ({"status": 3}, "level u=0.5: its process ended with status 3"),
    ],
)
def test_a_death_is_told_with_its_log_and_the_next_request_works(child, request_, ending):
    first = child.run({"number": 1}, "a test")
    with pytest.raises(ChildError, match=f"{ending}. The end of its log:\nworking on") as error:
        child.run(request_, "level u=0.5")
    assert "'number'" not in str(error.value), "the log of another request"
    assert "Extension modules" not in str(error.value)
    assert not Path(first["folder"]).exists()
    second = child.run({"number": 4}, "a test")
    assert second["twice"] == 8 and second["process"] != first["process"]


def test_a_hang_is_ended(child):
    first = child.run({"number": 1}, "a test")
    with pytest.raises(ChildError, match="a test: its process gave no answer in 0.5 seconds and"):
        child.run({"sleep": 60}, "a test", limit=0.5)
    assert gone(first["process"])
    assert child.run({"number": 2}, "a test")["twice"] == 4


def test_a_child_that_cannot_start_is_no_fault_of_its_work(tmp_path, monkeypatch):
    (tmp_path / "broken_worker.py").write_text("import os, no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    child = GuardedChild("broken_worker")
    told = "^broken_worker could not start: its process ended with status 1. The end of its log:"
    for _ in range(2):
        with pytest.raises(StartError, match=told + "(.|\n)*'no_such_package'"):
            child.run({"number": 1}, "a test")
    monkeypatch.setattr(conversion, "CONVERTER", child)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(StartError, match=told) as error:
        keras_to_tflite(network)
    assert "LSTM" not in str(error.value) and "`model`" not in str(error.value)


@pytest.mark.parametrize(("end", "told"), [("SIGSEGV", True), ("SIGKILL", False)])
def test_a_converter_that_was_killed_is_no_lstm(end, told, tmp_path, monkeypatch):
    """A system that runs out of memory kills; a crash of TensorFlow's is another signal."""
    (tmp_path / "dying_worker.py").write_text(
        "import os, signal\nfrom tnn_tflite.children.serve import serve\n"
        f"def main():\n    serve(lambda request: os.kill(os.getpid(), signal.{end}))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    child = GuardedChild("dying_worker")
    monkeypatch.setattr(conversion, "CONVERTER", child)
    with pytest.raises(ChildError, match=f"died of {end}") as error:
        conversion._convert(tmp_path, replace(FLOAT, mode="int8"), "net", "level u=1")
    assert ("LSTM" in str(error.value)) == told
    child.close()


def test_a_program_without_python_cannot_start_one(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(StartError, match="no Python interpreter to start as a child process"):
        GuardedChild("broken_worker").start()


@pytest.fixture
def interruptible():
    """Ctrl-C raises as in a program of its own; processes of pytest-xdist ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_work_and_removes_its_files(child, interruptible):
    first = child.run({"number": 1}, "a test")
    here = threading.main_thread().ident
    threading.Timer(0.5, signal.pthread_kill, [here, signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt), child.folder() as folder:
        child.run({"sleep": 60}, "a test")
    assert gone(first["process"])
    assert not Path(first["folder"]).exists() and not Path(folder).exists()


def test_threads_take_turns(child):
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append((n, child.run({"number": n}, "a test"))))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((n, one["twice"]) for n, one in results) == [(n, 2 * n) for n in range(8)]


PARENT = """
import os, sys, threading
from tnn_tflite.children.guarded import GuardedChild
child = GuardedChild("worker_of_a_test")
answer = child.run({"number": 1}, "a test")
print(answer["process"], answer["folder"], flush=True)
if sys.argv[1] == "busy":
    child.run({"sleep": 60}, "a test")
"""


@pytest.mark.parametrize("how", ["ends", "busy"])
def test_the_child_ends_with_its_parent(child, how):
    """Also while it works, and though a killed parent can tell it nothing."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, how], env=environment, stdout=subprocess.PIPE, text=True
    )
    process, folder = parent.stdout.readline().split()
    if how == "busy":
        time.sleep(0.3)
        parent.kill()
    parent.wait(20)
    parent.stdout.close()
    assert gone(int(process))
    assert not Path(folder).exists()


def recurrent():
    steps = keras.Input((5, 4), name="steps")
    return keras.Model(steps, keras.layers.Dense(2)(keras.layers.LSTM(8)(steps)), name="lstm")


def test_a_crash_of_the_converter_leaves_the_old_bundle(shared_bundle, bundle):
    """The converter of TensorFlow 2.21 does not survive an LSTM in int8 at batch 1."""
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    samples = np.random.default_rng(0).normal(size=(8, 5, 4)).astype("float32")
    with pytest.raises(ChildError, match=r"crashed with quantization='int8'.*unroll=True") as error:
        tnn_tflite.convert(
            {1.0: recurrent()},
            bundle,
            quantization="int8",
            representative_data=samples,
            verbose=False,
        )
    assert re.search("level u=1 of 'lstm': its process died of SIG", str(error.value))
    assert "Fatal Python error" in str(error.value)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]
    content, *_ = keras_to_tflite(recurrent())  # the next one works
    assert len(content) > 1000


def test_work_is_removed_after_each_conversion():
    keras_to_tflite(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    with CONVERTER.folder() as folder:
        others = [path for path in Path(folder).parent.iterdir() if path != Path(folder)]
    assert [path.name for path in others] == ["log.txt"]
