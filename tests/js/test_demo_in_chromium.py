"""The demo page in a browser without a window: what it says is what Python says."""

import functools
import http.server
import json
import queue
import shutil
import subprocess
import threading

import numpy as np
import pytest

from dispatcher_in_node import HERE, PACKAGE, skip_without_npm
from tnn_tflite import Dispatcher

pytestmark = pytest.mark.slow
SCRIPT = (HERE / "demo_script.js").read_text()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves js/, with a script at the end of the demo page, and takes its report."""

    reports: queue.Queue = queue.Queue()

    def do_GET(self):
        if self.path != "/demo/index.html":
            return super().do_GET()
        page = (PACKAGE / "demo" / "index.html").read_text()
        script = f'<script type="module">{SCRIPT}</script></body>'
        content = page.replace("</body>", script).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.reports.put(json.loads(content))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    skip_without_npm()
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    handler = functools.partial(Handler, directory=str(PACKAGE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tmp_path_factory.mktemp("profile")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    options += [f"--user-data-dir={profile}"]
    url = f"http://127.0.0.1:{server.server_port}/demo/index.html"
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([browser, *options, url], **silent) as process:
        try:
            found = Handler.reports.get(timeout=120)
        finally:
            process.terminate()
            server.shutdown()
            server.server_close()
    assert "error" not in found, found["error"]
    return found


@pytest.fixture(scope="module")
def dispatcher():
    return Dispatcher(PACKAGE / "demo" / "bundle")


def seen_by(dispatcher, pixels):
    """A picture of 8x8 as the network reads it."""
    Image = pytest.importorskip("PIL.Image")
    (spec,) = dispatcher.bundle.inputs
    picture = Image.fromarray(np.array(pixels, "uint8").reshape(8, 8))
    return np.asarray(picture.resize((16, 16), Image.Resampling.BILINEAR)).reshape(spec.shape)


def test_probabilities_are_those_of_python(report, dispatcher):
    examples = json.loads((PACKAGE / "demo" / "examples.json").read_text())
    for answer, example in zip(report["examples"], examples, strict=True):
        expected = dispatcher(seen_by(dispatcher, example["pixels"]), 1.0)
        np.testing.assert_allclose(answer["scores"], expected, rtol=1e-5, atol=1e-5)
        assert np.argmax(answer["scores"]) == example["digit"]


def test_the_slider_is_the_dial(report, dispatcher):
    first = json.loads((PACKAGE / "demo" / "examples.json").read_text())[0]
    asked = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
    for u, answer in zip(asked, report["levels"], strict=True):
        level = dispatcher.level_for(u)
        assert answer["utilization"] == level.utilization
        expected = dispatcher(seen_by(dispatcher, first["pixels"]), u)
        np.testing.assert_allclose(answer["scores"], expected, rtol=1e-5, atol=1e-5)
    assert f"{dispatcher.levels[-1].macs:,}" in report["costs"]


def test_a_drawing_is_a_digit(report):
    assert np.argmax(report["drawing"]["scores"]) == 0


def test_a_photo_is_a_digit(report, dispatcher):
    assert np.argmax(dispatcher(seen_by(dispatcher, report["seen"]), 1.0)) == 7
