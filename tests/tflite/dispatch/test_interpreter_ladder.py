"""Every TFLite interpreter that is installed runs a bundle; none installed says what to do."""

import importlib.util
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.dispatch.interpreter import RUNTIMES, find_runtime

INSTALLED = [name for name in RUNTIMES if importlib.util.find_spec(name) is not None]
LITE = [name for name in INSTALLED if name != "tensorflow"]


RUN_ALL_LEVELS = """
import sys
import numpy as np
from tnn_tflite import Dispatcher

directory, images, runtime, outputs = sys.argv[1:5]
dispatcher = Dispatcher(directory, runtime=runtime, num_threads=2, delegate=(sys.argv + [None])[5])
assert dispatcher.runtime == runtime
results = [dispatcher(np.load(images), level.utilization) for level in dispatcher.levels]
np.save(outputs, results)
"""


@pytest.fixture
def run_all_levels(shared_bundle, images, tmp_path, run_alone):
    """Runs the levels in a process of its own: not every pair of runtimes fits into one."""

    def run(*runtime_and_delegate):
        np.save(tmp_path / "images.npy", images)
        runtime, *delegate = runtime_and_delegate
        paths = (shared_bundle, tmp_path / "images.npy", runtime, tmp_path / "outputs.npy")
        result = run_alone(RUN_ALL_LEVELS, *paths, *delegate)
        assert result.returncode == 0, result.stderr
        return np.load(tmp_path / "outputs.npy"), result.stdout

    return run


@pytest.mark.parametrize("runtime", LITE)
def test_light_runtimes_give_the_keras_outputs(run_all_levels, networks, images, runtime):
    expected = [network.predict(images, verbose=0) for network in networks.values()]
    # float32 sums in another order than Keras; values are below 10.
    np.testing.assert_allclose(run_all_levels(runtime)[0], expected, atol=1e-5)


def test_tensorflow_gives_the_keras_outputs(shared_bundle, networks, images):
    dispatcher = Dispatcher(shared_bundle, runtime="tensorflow")
    assert dispatcher.runtime == "tensorflow"
    for utilization, network in networks.items():
        expected = network.predict(images, verbose=0)
        np.testing.assert_allclose(dispatcher(images, utilization), expected, atol=1e-5)  # as above


@pytest.mark.parametrize("blocked", range(len(LITE)))
def test_first_that_is_installed_is_taken(run_alone, blocked):
    program = f"""
import sys
sys.modules.update(dict.fromkeys({LITE[:blocked]}))  # None: an import of it fails
from tnn_tflite.dispatch.interpreter import find_runtime
print(find_runtime().name)
"""
    assert run_alone(program).stdout == f"{LITE[blocked]}\n"


def block(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_tensorflow_is_the_last_resort(monkeypatch):
    block(monkeypatch, "ai_edge_litert.interpreter", "tflite_runtime.interpreter")
    assert find_runtime().name == "tensorflow"


def test_none_is_installed(monkeypatch):
    block(monkeypatch, "ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow")
    message = (
        r"pip install keras-tnn\[edge\]. Tried ai_edge_litert: .*tflite_runtime: .*tensorflow: "
    )
    with pytest.raises(ImportError, match=message):
        find_runtime()


@pytest.mark.skipif("tflite_runtime" not in INSTALLED, reason="needs tflite-runtime")
def test_tflite_runtime_after_tensorflow(shared_bundle):
    """In this order, and only in this, the two give garbage; here Keras has loaded TensorFlow."""
    with pytest.raises(ImportError, match="a process that has loaded TensorFlow before"):
        Dispatcher(shared_bundle, runtime="tflite_runtime")


@pytest.mark.parametrize("runtime", ["tflite", "", 3])
def test_unknown_runtime(shared_bundle, runtime):
    with pytest.raises(ValueError, match="Invalid value for `runtime`. Expected one of"):
        Dispatcher(shared_bundle, runtime=runtime)


@pytest.mark.parametrize("num_threads", [0, -1, 1.0, "2", None, True, 257, 10**6, 2**31])
def test_num_threads(shared_bundle, num_threads):
    with pytest.raises(ValueError, match="Invalid value for `num_threads`. .*integer in .1, 256.*"):
        Dispatcher(shared_bundle, num_threads=num_threads)


@pytest.mark.parametrize("delegate", ["libedgetpu-missing.so.1", "libm.so.6"])
def test_delegate_that_cannot_be_loaded(shared_bundle, delegate):
    """Missing, or there and no delegate: told when the bundle is opened."""
    with pytest.raises(ValueError, match="Invalid value for `delegate`. .* run on the CPU"):
        Dispatcher(shared_bundle, delegate=delegate)


def test_delegate_is_a_name(shared_bundle):
    with pytest.raises(ValueError, match="Expected the file name of a library, or None"):
        Dispatcher(shared_bundle, delegate=["libedgetpu.so.1"])


# The public interface of external delegates; this one takes no operator and tells.
DELEGATE = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
struct Delegate { void *data; int (*prepare)(void *, struct Delegate *);
                  void *unused[3]; int64_t flags; void *builder; };
static int prepare(void *context, struct Delegate *self) { return puts("prepared") < 0; }
struct Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t n,
                                               void (*report)(const char *)) {
  struct Delegate *self = calloc(1, sizeof *self);
  self->prepare = prepare;
  puts("created");
  return self;
}
void tflite_plugin_destroy_delegate(struct Delegate *self) { free(self); }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("runtime", LITE)
def test_delegate_is_applied_to_each_interpreter(run_all_levels, tmp_path, runtime):
    (tmp_path / "delegate.c").write_text(DELEGATE)
    library = tmp_path / f"lib{runtime}.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, tmp_path / "delegate.c"], check=True, timeout=60
    )
    outputs, printed = run_all_levels(runtime, library)
    np.testing.assert_array_equal(outputs, run_all_levels(runtime)[0])
    # Three levels were run, each on one interpreter, and each has a delegate of its own.
    assert printed.split() == ["created", "prepared"] * 3


def test_runtime_shows_its_options():
    assert "num_threads=3" in repr(find_runtime(num_threads=3))
