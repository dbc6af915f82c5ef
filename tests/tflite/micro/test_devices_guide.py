"""docs/devices.md: its code runs, and its commands are those that there are."""

import re
import shutil
from pathlib import Path

import pytest

from tnn_tflite.command.lint import main as lint
from tnn_tflite.command.micro import main as micro

GUIDE = (Path(__file__).parents[3] / "docs/devices.md").read_text(encoding="utf-8")


@pytest.fixture
def bundle(int8_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(int8_bundle.directory, "bundle")


def test_the_code_runs(bundle, capsys, tmp_path):
    for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(code, {})
    assert "micro: 3 levels, 0 failures" in capsys.readouterr().out
    assert (tmp_path / "network/tnn_levels.h").exists()


def test_the_commands_run(bundle, capsys):
    for line in re.findall(r"^keras-tnn lint (.*)$", GUIDE, re.MULTILINE):
        assert not lint(line.split())  # dense layers have one scale where integers go in
    (line,) = re.findall(r"^keras-tnn micro (.*)$", GUIDE, re.MULTILINE)
    assert not micro([*line.split(), "--nomeasure_arena"])


def test_the_command_for_the_compiler_is_the_one_that_is_printed(bundle, capsys):
    lint(["bundle", "--target=coral", "--order=0.5,1,0.25"])
    (command,) = re.findall(r"^edgetpu_compiler .*$", GUIDE, re.MULTILINE)
    printed = capsys.readouterr().out
    assert command in printed.replace(f"{Path.cwd()}/", "")
