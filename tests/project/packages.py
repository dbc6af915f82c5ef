"""The packages as they are given away: an sdist of a copy of the checkout, and a wheel of that."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("keras_tnn", "tflite", "tests", "docs", "examples", "benchmarks", "cpp")
LEFTOVERS = shutil.ignore_patterns("__pycache__", "*.egg-info")


def run(*command, cwd, timeout=1200) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Builds an sdist and, of its content alone, a wheel. Nothing is left in the checkout.

    Returns:
        The path of the sdist and the path of the wheel.
    """
    sources = folder / "sources"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, sources / name, ignore=LEFTOVERS)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, sources)
    sdist = "from setuptools import build_meta; build_meta.build_sdist('../dist')"
    (folder / "dist").mkdir()
    run(sys.executable, "-c", sdist, cwd=sources)
    (archive,) = (folder / "dist").glob("*.tar.gz")
    options = ["--no-deps", "--no-build-isolation", "--no-cache-dir", "-q", "-w", "dist"]
    run(sys.executable, "-m", "pip", "wheel", *options, archive, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return archive, wheel
