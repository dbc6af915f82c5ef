"""A table is read back as it was written, or an error says why not."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tnn_tflite.latency.table import Conditions, DeviceTable, LevelMeasurement
from tnn_tflite.latency.table_file import TableError, read_table, table_path, write_table

CONDITIONS = Conditions("0" * 64, "ai_edge_litert", 2, None, "a processor, 4 cores")
TABLE = DeviceTable(
    CONDITIONS,
    (
        LevelMeasurement(0.5, 1.25, 1.5),
        LevelMeasurement(1.0, 5.0, 6.5, joules=0.002, accuracy=0.875),
    ),
)


@pytest.fixture
def path(tmp_path):
    path = table_path(tmp_path / "net", CONDITIONS)
    write_table(path, TABLE)
    return path


def read(path, conditions=CONDITIONS, utilizations=(0.5, 1.0)):
    return read_table(path, conditions, utilizations)


def test_round_trip(path):
    assert read(path) == TABLE
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_times_of_calls():
    """Of 1 to 11 ms: the sixth is the median, nine of ten took at most the tenth."""
    seconds = np.arange(11, 0, -1)[:, None] / 1000 * np.array([1, 3])
    low, high = DeviceTable.from_times(CONDITIONS, (0.5, 1.0), seconds).levels
    assert (low.milliseconds, low.percentile_90) == pytest.approx((6, 10))
    assert (high.milliseconds, high.percentile_90) == pytest.approx((18, 30))


def test_name_tells_bundle_runtime_and_threads(path, tmp_path):
    assert path == tmp_path / "net.ai_edge_litert-2.latency.json"
    coral = replace(CONDITIONS, num_threads=1, delegate="/usr/lib/libedgetpu.so.1")
    name = "net.ai_edge_litert-1-libedgetpu.so.1.latency.json"
    assert table_path(tmp_path / "net", coral) == tmp_path / name


def test_text():
    assert str(TABLE).splitlines() == [
        "  u  median ms  90 % ms     mJ  accuracy",
        "0.5      1.250    1.500      -         -",
        "  1      5.000    6.500  2.000    0.8750",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manifest_sha256": "1" * 64}, "`manifest_sha256`"),
        ({"runtime": "tflite_runtime"}, "Expected 'tflite_runtime' for `runtime`. Received: ai_ed"),
        ({"num_threads": 1}, "Expected 1 for `num_threads`. Received: 2"),
        ({"delegate": "lib.so"}, "Expected 'lib.so' for `delegate`. Received: None"),
        ({"device": "another"}, "Expected 'another' for `device`. Received: a processor, 4 cores"),
    ],
)
def test_table_of_something_else(path, change, message):
    with pytest.raises(TableError, match=f"{message}.*keras-tnn calibrate BUNDLE"):
        read(path, replace(CONDITIONS, **change))


def test_other_levels(path):
    with pytest.raises(TableError, match=r"Expected the levels \[1.0\]. Received: \[0.5, 1.0\]"):
        read(path, utilizations=[1.0])


@pytest.mark.parametrize(
    ("name", "value"),
    [("milliseconds", v) for v in (0, -1, None, "1", True, float("nan"), float("inf"))]
    + [("percentile_90", None), ("joules", 0), ("joules", "1"), ("accuracy", 1.5)]
    + [("accuracy", -0.1), ("utilization", "half")],
)
def test_number_that_cannot_be(path, name, value):
    record = json.loads(path.read_text())
    record["levels"][1][name] = value
    path.write_text(json.dumps(record))
    with pytest.raises(TableError, match=f"for `{name}`"):
        read(path)
    del record["levels"][1][name]
    path.write_text(json.dumps(record))
    with pytest.raises(TableError, match=f"for `{name}`. Received: no such key"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{}", b"x" * 2_000_000]
    + [b'{"format": "tnn_tflite_latency", "format_version": 2}']
    + [b'{"format": "tnn_tflite_latency", "format_version": 1, "conditions": []}'],
)
def test_damaged(path, content):
    path.write_bytes(content)
    with pytest.raises(TableError, match="Invalid table of latencies"):
        read(path)


def test_every_cut_of_the_file_is_seen(path):
    content = path.read_bytes()
    for size in range(0, len(content) - 2, 7):
        path.write_bytes(content[:size])
        with pytest.raises(TableError, match="Invalid table of latencies"):
            read(path)


def test_missing(tmp_path):
    with pytest.raises(TableError, match="Expected a file. Received: no such file"):
        read(tmp_path / "none.json")


def test_a_write_that_fails_leaves_the_old_table(path, tmp_path):
    """A disk that is full, in a process of its own: no file may be longer than 100 bytes."""
    program = f"""
import resource, signal, sys
from pathlib import Path
from tnn_tflite.latency.table import Conditions, DeviceTable
from tnn_tflite.latency.table_file import write_table
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
write_table(Path(sys.argv[1]), DeviceTable({CONDITIONS!r}, ()))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, capture_output=True, text=True
    )
    assert "File too large" in result.stderr
    assert read(path) == TABLE
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
