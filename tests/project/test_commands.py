"""The README, CONTRIBUTING and CI name one and the same test command."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEST_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest"
)


def lines_of(name):
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


def test_readme_has_the_test_command():
    assert TEST_COMMAND in lines_of("README.md")


def test_contributing_has_the_test_command_and_is_short():
    lines = lines_of("CONTRIBUTING.md")
    assert TEST_COMMAND in lines
    assert len(lines) < 60


def test_ci_runs_the_test_command_and_nothing_after_it():
    assert lines_of(".ci/run")[-1] == TEST_COMMAND
    assert os.access(ROOT / ".ci/run", os.X_OK)
