"""Style is checked where everything is checked: here."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff(command):
    run = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
