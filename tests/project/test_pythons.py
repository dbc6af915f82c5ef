"""The wheel in an empty environment of each Python, with the numpy that it brings there."""

import shutil
import sys
from pathlib import Path

import pytest

from packages import ROOT, build, run

PYTHONS = ("3.11", "3.12", "3.13")
GOLDEN = ROOT / "tests/reliability/golden/version_3"


def interpreter(version: str) -> str | None:
    """An interpreter of that version, of pyenv or on the path."""
    of_pyenv = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    return next(map(str, of_pyenv), None) or shutil.which(f"python{version}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built"))[1]


@pytest.mark.slow
@pytest.mark.parametrize("version", PYTHONS)
def test_the_demo_from_an_empty_environment(version, wheel, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    run(python, "-m", "venv", ".venv", cwd=tmp_path)
    bin_ = tmp_path / ".venv/bin"
    run(bin_ / "pip", "install", "-q", f"{wheel}[train,edge,data,plot]", cwd=tmp_path)
    numpy = run(bin_ / "python", "-c", "import numpy; print(numpy.__version__)", cwd=tmp_path)
    assert int(numpy.split(".")[0]) >= 2
    printed = run(bin_ / "keras-tnn", "demo", cwd=tmp_path)
    assert "Model, bundle and figure are in digits_demo/" in printed


@pytest.mark.slow
def test_a_device_needs_the_extra_edge_alone(wheel, tmp_path):
    run(sys.executable, "-m", "venv", ".venv", cwd=tmp_path)
    bin_ = tmp_path / ".venv/bin"
    run(bin_ / "pip", "install", "-q", f"{wheel}[edge]", cwd=tmp_path)
    levels = run(bin_ / "keras-tnn", "levels", GOLDEN, "--measure", cwd=tmp_path)
    assert "ms" in levels.split()  # the column of what was measured
    code = "import importlib.util as u; print(u.find_spec('keras'), u.find_spec('tensorflow'))"
    assert run(bin_ / "python", "-c", code, cwd=tmp_path).split() == ["None", "None"]
