"""The subcommands on a network with exits."""

import re

import numpy as np
import pytest

from networks_with_exits import EXITS, images, make_network_with_exits
from tnn_tflite import Dispatcher
from tnn_tflite.command import main


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exits")
    make_network_with_exits().save(folder / "network.keras")
    assert main(["convert", str(folder / "network.keras"), str(folder / "bundle"), "--exits"]) == 0
    return folder / "bundle"


@pytest.fixture
def image(tmp_path):
    np.save(tmp_path / "image.npy", images()[0])
    return str(tmp_path / "image.npy")


def test_convert_and_levels(capsys, bundle):
    assert main(["levels", str(bundle), "--measure", "--repeats=3"]) == 0
    _, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    levels = Dispatcher(bundle).levels
    assert [row[:3] for row in rows] == [
        [f"{level.utilization:.3g}", level.name, f"{level.macs:,}"] for level in levels
    ]
    assert all(float(row[5]) > 0 for row in rows)


def test_run(capsys, bundle, image):
    assert main(["run", str(bundle), image, "--repeats=1"]) == 0
    assert capsys.readouterr().out.startswith("exit      scores, u=1 for utilization=1: ")
    assert main(["run", str(bundle), image, "--repeats=1", "--budget_ms=1000"]) == 0
    _, reason, *_ = capsys.readouterr().out.splitlines()
    assert re.match(r"reason    exit 'scores' was there after \d+\.\d+ ms of 1000.000 ms", reason)


def test_calibrate(capsys, bundle):
    assert main(["calibrate", str(bundle), "--rounds=3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(EXITS)


def test_lint_reads_segments(capsys, bundle):
    assert main(["lint", str(bundle), "--target=xnnpack"]) == 0
    assert "3 programs, 0 failures" in capsys.readouterr().out
