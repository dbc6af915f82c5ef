"""Milliseconds of each level in Node and in Chromium, over those of native interpreters.

    (cd js && npm ci)
    python benchmarks/browser.py

The README's six convolutions on 32x32 images, with random weights, in float32 and in int8 behind
float inputs: one image a call, on one thread, through the dispatcher of each language. The levels
take turns, in 200 rounds or 3 seconds: in each the second of two calls is timed or, where a
browser's clock ticks too rarely, the mean of as many as fill 20 ticks. A tenth of the rounds are
faster than what is printed, so that other work on the machine counts little.
"""

import functools
import http.server
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from absl import app, flags

BROWSER = flags.DEFINE_string("browser", "chromium", "The command that starts it.")
QUANTIZATIONS = flags.DEFINE_list("quantizations", ["", "int8"], "Of each bundle.")

ROOT = Path(__file__).parents[1]
LEVELS = (0.25, 0.5, 0.75, 1.0)
RUNTIMES = ("tflite_runtime", "ai_edge_litert")
NATIVE = """
import json, sys
from functools import partial
import numpy as np
from tnn_tflite import Dispatcher
from tnn_tflite.latency.in_turn import seconds_in_turn
dispatcher = Dispatcher(sys.argv[1], runtime=sys.argv[2])
dispatcher.warm_up()
x = np.zeros(dispatcher.bundle.inputs[0].shape, "float32")
calls = [partial(dispatcher, x, level.utilization) for level in dispatcher.levels]
seconds = seconds_in_turn(calls, rounds=200, at_most_seconds=3)
print(json.dumps({"warm": (1000 * np.percentile(seconds, 10, 0)).tolist()}))
"""


def make_bundle(directory: Path, quantization: str) -> None:
    import keras_tnn as tnn
    import tnn_tflite

    filters = ((32, 32), (64, 64), (128, 128))
    network = tnn.models.VGG((32, 32, 3), 10, filters=filters, dense_units=None, num_groups=8)
    images = np.random.default_rng(0).uniform(size=(16, 32, 32, 3)).astype("float32")
    options = {"quantization": quantization, "representative_data": images} if quantization else {}
    tnn_tflite.convert(
        network, directory, LEVELS, calibration_data=images, layout="single", **options
    )


def printed(*command: object) -> dict:
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, check=True, timeout=300)
    return json.loads(done.stdout)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the checkout, a bundle under /bundle/, and takes a report."""

    bundle: Path
    reports: queue.Queue = queue.Queue()

    def translate_path(self, path):
        if path.startswith("/bundle/"):
            return str(self.bundle / path.removeprefix("/bundle/"))
        return super().translate_path(path)

    def do_POST(self):
        self.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def in_browser(bundle: Path) -> dict:
    Handler.bundle = bundle
    handler = functools.partial(Handler, directory=str(ROOT))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/benchmarks/browser.html"
    with tempfile.TemporaryDirectory() as profile:
        command = [BROWSER.value, "--headless", "--no-sandbox", "--remote-debugging-port=0"]
        command += [f"--user-data-dir={profile}", url]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
            found = Handler.reports.get(timeout=300)
            it.terminate()
    server.shutdown()
    return found


def main(_) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for quantization in QUANTIZATIONS.value:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "bundle"
            make_bundle(bundle, quantization)
            times = {name: printed(sys.executable, "-c", NATIVE, bundle, name) for name in RUNTIMES}
            times["node"] = printed("node", ROOT / "benchmarks" / "browser.mjs", bundle)
            times[BROWSER.value] = in_browser(bundle)
        print(f"\n{quantization or 'float32'}, ms at u = {', '.join(map(str, LEVELS))}")
        for name, found in times.items():
            print(f"{name:<16}", *(f"{ms:8.3f}" for ms in found["warm"]))
            if "first" in found:
                print(f"{'  first use':<16}", *(f"{ms:8.1f}" for ms in found["first"]))


if __name__ == "__main__":
    app.run(main)
