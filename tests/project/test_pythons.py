"""The main job in an empty environment of another Python, with the numpy that it brings there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")


def interpreter(version: str) -> str | None:
    """An interpreter of that version, of pyenv or on the path."""
    of_pyenv = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    return next(map(str, of_pyenv), None) or shutil.which(f"python{version}")


def run(*command, cwd) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1200)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_the_demo_from_an_empty_environment(version, tmp_path):
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("the tests themselves run on it")
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    for name in ("keras_tnn", "tflite"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    run(python, "-m", "venv", ".venv", cwd=tmp_path)
    bin_ = tmp_path / ".venv/bin"
    run(bin_ / "pip", "install", "-q", ".[train,edge,data,plot]", cwd=tmp_path)
    numpy = run(bin_ / "python", "-c", "import numpy; print(numpy.__version__)", cwd=tmp_path)
    assert int(numpy.split(".")[0]) >= 2
    (tmp_path / "job").mkdir()
    printed = run(bin_ / "keras-tnn", "demo", cwd=tmp_path / "job")
    assert "Model, bundle and figure are in digits_demo/" in printed
