"""The dispatcher in JavaScript, asked from Python."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "js"
HERE = Path(__file__).parent
GOLDEN = ROOT / "tests" / "reliability" / "golden"


def skip_without_npm():
    if shutil.which("node") is None:
        pytest.skip("needs Node 20")
    if not (PACKAGE / "node_modules").is_dir():
        pytest.skip("needs `npm ci` in js/")


def in_node(script, *arguments, stdin=""):
    """Runs a script of this folder, and returns what it prints as JSON."""
    skip_without_npm()
    command = ["node", str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(questions):
    """Asks the dispatcher about bundles; all questions are answered by one process."""
    script = (PACKAGE / "src" / "node" / "index.js").as_uri()
    return in_node("answers.mjs", script, stdin=json.dumps(questions))


def call(calls):
    """Calls functions of the package, (module, name, *arguments) each, in one process."""
    source = (PACKAGE / "src" / "index.js").as_uri()
    return in_node("parts.mjs", source, stdin=json.dumps(calls))


def encoded(array):
    return {"dtype": str(array.dtype), "data": array.reshape(-1).tolist()}


def decoded(answer):
    """The only output of an answer, as numpy has it."""
    (found,) = answer["outputs"].values()
    dtype = found["dtype"].removesuffix("Array").lower()
    return np.array(found["data"], dtype)
