"""A level that kills the process in which it runs kills a child, and the caller gets an error."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tnn_tflite import BundleError, Dispatcher, TensorSpec, read_bundle
from tnn_tflite.bundle.program_content import LevelContent
from tnn_tflite.bundle.writer import write_bundle
from tnn_tflite.dispatch import trial
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.dispatch.trial import fingerprint, try_bundle

NUMBERS = (TensorSpec("x", (2,), "float32"),)


@pytest.fixture(autouse=True)
def nothing_passed_before(monkeypatch):
    monkeypatch.setattr(trial, "_passed", set())


def write_function(directory, function):
    """Writes a bundle of one level from a TensorFlow function of 2 numbers."""
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec((1, 2), tf.float32, name="x")
    module.f = tf.function(lambda x: {"y": function(x)}, input_signature=[spec])
    concrete = module.f.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    outputs = (TensorSpec("y", (2,), "float32"),)
    content = LevelContent(
        converter.convert(), NUMBERS, outputs, macs=2, parameters=0, utilization=1.0
    )
    return write_bundle(directory, [content])


def test_a_sound_bundle_passes(float_bundle, int8_bundle):
    try_bundle(read_bundle(float_bundle), find_runtime())
    try_bundle(read_bundle(int8_bundle), find_runtime())


def test_an_endless_loop(tmp_path):
    import tensorflow as tf

    def double_until_large(x):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 9.0, lambda x: (x * 2.0,), (x,))[0]

    bundle = write_function(tmp_path / "bundle", double_until_large)
    # Ones double thrice, to 16 in sum; zeros never end.
    sound = Dispatcher(tmp_path / "bundle", trial=False)
    np.testing.assert_array_equal(sound(np.ones(2, "float32")), [8.0, 8.0])
    with pytest.raises(
        BundleError, match=r"level u=1 in 'u1.0.tflite' to run.* took more than 3 s"
    ):
        try_bundle(bundle, find_runtime(), seconds=3.0)


def test_more_memory_than_there_is(tmp_path):
    import tensorflow as tf

    def through_terabytes(x):
        tiled = tf.tile(tf.reshape(x, (1, 1, 2)), (2**20, 2**20, 1))
        return tf.reshape(tf.reduce_sum(tiled, (0, 1)), (1, 2))

    write_function(tmp_path / "bundle", through_terabytes)
    with pytest.raises(BundleError, match="'u1.0.tflite'"):
        Dispatcher(tmp_path / "bundle")


def test_memory_of_the_child_has_a_limit(start_alone):
    program = """
import tnn_tflite.dispatch.trial as trial
trial.SHARE_OF_MEMORY = 2e-3
trial._limit_memory()
try:
    bytearray(2**31)
except MemoryError:
    print("limited")
"""
    if trial.resource is None:
        pytest.skip("needs the limits of Unix")
    child = start_alone(program, stdout=subprocess.PIPE, text=True)
    assert child.communicate(timeout=60)[0] == "limited\n"


DELEGATE = """
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>
struct Delegate { void *data; int (*prepare)(void *, struct Delegate *);
                  void *unused[3]; int64_t flags; void *builder; };
static int prepare(void *context, struct Delegate *self) { puts("ready"); fflush(0); %s; return 0; }
struct Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t n,
                                               void (*report)(const char *)) {
  struct Delegate *self = calloc(1, sizeof *self);
  self->prepare = prepare;
  return self;
}
void tflite_plugin_destroy_delegate(struct Delegate *self) { free(self); }
"""
DEATHS = [
    ("*(volatile int *)8 = 1", "a process that died of SIGSEGV when it tried this level"),
    ("abort()", "a process that died of SIGABRT when it tried this level"),
    ("__builtin_trap()", "a process that died of SIGILL when it tried this level"),
    ("_exit(3)", "a process that ended with status 3 when it tried this level"),
    ("_exit(0)", "a process that ended when it tried this level"),
]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize(("death", "message"), DEATHS)
def test_death_inside_the_interpreter(float_bundle, tmp_path, death, message):
    """A delegate stands for a kernel that goes wrong: it runs in the interpreter's process.

    It prints, too, and that does not disturb what the child reports.
    """
    (tmp_path / "delegate.c").write_text(DELEGATE % death)
    library = tmp_path / "libdeath.so"
    command = ["cc", "-O0", "-shared", "-fPIC", "-o", library, tmp_path / "delegate.c"]
    subprocess.run(command, check=True, timeout=60)
    with pytest.raises(BundleError, match=f"level u=0.5 in 'u0.5.tflite' to run.* {message}"):
        Dispatcher(float_bundle, delegate=str(library))


def test_a_plain_error_passes_on(float_bundle, tmp_path):
    bundle = shutil.copytree(float_bundle, tmp_path / "bundle")
    path = bundle / "u1.0.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="Expected SHA-256 .* of 'u1.0.tflite'"):
        Dispatcher(bundle)


def test_without_a_trial_a_level_is_read_when_it_is_needed(float_bundle, tmp_path):
    bundle = shutil.copytree(float_bundle, tmp_path / "bundle")
    path = bundle / "u1.0.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    dispatcher = Dispatcher(bundle, trial=False)
    dispatcher(np.zeros((8, 8, 3), "float32"), 0.5)
    with pytest.raises(BundleError, match="Expected SHA-256 .* of 'u1.0.tflite'"):
        dispatcher(np.zeros((8, 8, 3), "float32"), 1.0)


def test_a_bundle_is_tried_once(float_bundle, tmp_path, monkeypatch):
    Dispatcher(float_bundle)
    monkeypatch.setattr(sys, "executable", "")  # no child can be started any more
    Dispatcher(shutil.copytree(float_bundle, tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match="Invalid value for `trial`. .* Expected trial=False"):
        Dispatcher(float_bundle, num_threads=2)


def test_a_bundle_that_was_replaced_meanwhile(float_bundle, int8_bundle, tmp_path):
    directory = shutil.copytree(float_bundle, tmp_path / "bundle")
    opened = read_bundle(directory)
    shutil.rmtree(directory)
    shutil.copytree(int8_bundle, directory)
    with pytest.raises(BundleError, match="replaced meanwhile. Open it again"):
        try_bundle(opened, find_runtime())


def test_the_working_folder_is_not_searched_for_modules(float_bundle, tmp_path, start_alone):
    """A bundle's folder may hold a `json.py`, and the user may stand in it."""
    for name in ("json", "numpy", "hashlib"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'trap')!r}, 'w')")
    program = f"""
import sys
sys.path = [path for path in sys.path if path]
from tnn_tflite import Dispatcher
Dispatcher({str(float_bundle)!r})
"""
    assert start_alone(program, cwd=tmp_path).wait(timeout=60) == 0
    assert not os.path.exists(tmp_path / "trap")


def test_the_fingerprint_is_of_what_the_manifest_says(float_bundle, int8_bundle, tmp_path):
    one, other = read_bundle(float_bundle), read_bundle(int8_bundle)
    assert fingerprint(one) != fingerprint(other)
    copied = read_bundle(shutil.copytree(float_bundle, tmp_path / "copy"))
    assert fingerprint(one) == fingerprint(copied)
