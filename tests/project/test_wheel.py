"""The wheel holds both packages, and no top-level `tflite` that would overwrite PyPI's."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # Built from a copy: leftovers of older builds stay out, and nothing is left in the checkout.
    sources, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in ("keras_tnn", "tflite"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, sources)
    options = ["--no-deps", "--no-build-isolation", "--no-cache-dir", "-q", "-w", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(sources)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_top_level(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"keras_tnn", "tnn_tflite"}


def test_holds_every_module(wheel):
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "keras_tnn").rglob("*.py")}
    shipped = (ROOT / "tflite/tnn_tflite").rglob("*.py")
    expected |= {str(path.relative_to(ROOT / "tflite")) for path in shipped}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == expected


def dist_info(wheel, name):
    (path,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode().splitlines()


def test_base_needs_numpy_only(wheel):
    needs = [line for line in dist_info(wheel, "METADATA") if line.startswith("Requires-Dist:")]
    assert [line for line in needs if "extra ==" not in line] == ["Requires-Dist: numpy"]


def test_extras_and_command(wheel):
    lines = dist_info(wheel, "METADATA")
    extras = {line.split(": ")[1] for line in lines if line.startswith("Provides-Extra")}
    assert extras == {
        "train",
        "edge",
        "coral",
        "micro",
        "qat",
        "data",
        "plot",
        "docs",
        "detection",
        "dev",
    }
    assert "keras-tnn = tnn_tflite.command:main" in dist_info(wheel, "entry_points.txt")
