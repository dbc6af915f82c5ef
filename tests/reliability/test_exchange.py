"""Two names change places in one step, or nothing happens."""

import os
import threading

import pytest

from tnn_tflite.bundle import exchange as module
from tnn_tflite.bundle.exchange import exchange
from tnn_tflite.bundle.replacing import clear_leftovers, replace_folder, temporary_sibling


def fill(folder, text):
    folder.mkdir()
    (folder / "content").write_text(text)
    return folder


def supported(folder):
    return exchange(fill(folder / "one", "1"), fill(folder / "two", "2"))


def test_folders_change_places(tmp_path):
    if not supported(tmp_path):
        pytest.skip("this system cannot exchange two names")
    assert (tmp_path / "one" / "content").read_text() == "2"
    assert (tmp_path / "two" / "content").read_text() == "1"


def test_a_missing_name(tmp_path):
    if not supported(tmp_path):
        pytest.skip("this system cannot exchange two names")
    with pytest.raises(FileNotFoundError, match="gone"):
        exchange(tmp_path / "one", tmp_path / "gone")
    assert (tmp_path / "one" / "content").read_text() == "2"


def test_a_system_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_system_function", lambda: None)
    assert not supported(tmp_path)
    assert (tmp_path / "one" / "content").read_text() == "1"


@pytest.mark.parametrize("number", sorted(module._UNSUPPORTED))
def test_a_file_system_without_it(tmp_path, monkeypatch, number):
    monkeypatch.setattr(module, "_system_function", lambda: lambda a, b: -1)
    monkeypatch.setattr(module.ctypes, "get_errno", lambda: number)
    assert not supported(tmp_path)


@pytest.mark.parametrize("steps", [1, 2])
def test_replacing(tmp_path, monkeypatch, steps):
    if steps == 2:
        monkeypatch.setattr(module, "_system_function", lambda: None)
    fill(tmp_path / "net", "old")
    replace_folder(tmp_path / "net", fill(tmp_path / "other", "new"))
    assert (tmp_path / "net" / "content").read_text() == "new"
    assert os.listdir(tmp_path) == ["net"]


def test_there_is_no_moment_without_a_folder(tmp_path):
    if not supported(tmp_path):
        pytest.skip("this system cannot exchange two names")
    fill(tmp_path / "net", "0")
    missing, done = [], threading.Event()

    def look():
        while not done.is_set():
            if not (tmp_path / "net").is_dir():
                missing.append(1)

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(300):
        replace_folder(tmp_path / "net", fill(tmp_path / "other", str(number)))
    done.set()
    watcher.join()
    assert not missing


def test_leftovers_of_the_dead_go(tmp_path):
    fill(tmp_path / "net", "kept")
    fill(tmp_path / ".net.new-0a1b2c3d", "half")
    fill(tmp_path / ".net.old-0a1b2c3d", "older")
    others = [".net.new-0a1b2c3", ".net.new-0a1b2c3dd", ".net2.new-0a1b2c3d", ".net.tmp-0a1b2c3d"]
    for name in others:
        fill(tmp_path / name, "not ours")
    (tmp_path / ".net.new-ffffffff").write_text("a file is not ours either")
    clear_leftovers(tmp_path / "net")
    assert set(os.listdir(tmp_path)) == {"net", ".net.new-ffffffff", *others}


def test_what_stood_aside_comes_back(tmp_path):
    fill(tmp_path / ".net.old-0a1b2c3d", "the only one")
    clear_leftovers(tmp_path / "net")
    assert (tmp_path / "net" / "content").read_text() == "the only one"
    assert os.listdir(tmp_path) == ["net"]


def test_a_folder_in_work_stays(tmp_path):
    with temporary_sibling(tmp_path / "net") as folder:
        (folder / "content").write_text("half")
        clear_leftovers(tmp_path / "net")
        assert (folder / "content").read_text() == "half"
    assert os.listdir(tmp_path) == []
