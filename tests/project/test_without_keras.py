"""In an environment without Keras, the error of `import keras_tnn` names the extra to install."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_without_keras():
    # -I and -S leave out site-packages: only the standard library can be imported.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import keras_tnn"
    command = [sys.executable, "-I", "-S", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    last_line = result.stderr.splitlines()[-1]
    assert last_line.startswith("ImportError: keras_tnn needs Keras")
    assert "pip install keras-tnn[train]" in last_line
