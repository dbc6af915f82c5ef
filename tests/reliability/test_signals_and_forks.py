"""Forks while other threads load and run levels, and signals at random moments of calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def printed(program, *arguments) -> str:
    result = subprocess.run(
        [sys.executable, HERE / program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("num_threads", [1, 2])
def test_children_answer(float_bundle, num_threads):
    assert printed("forking.py", float_bundle, num_threads, 30) == "30 right, 0 wrong, 0 hung\n"


def test_interrupts_lose_nothing(float_bundle):
    told = printed("interrupting.py", float_bundle, 500)
    assert told.startswith("500 interrupts, 0 miscounted, 0 wrong answers\n")
