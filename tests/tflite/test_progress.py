"""The bar is for a terminal: elsewhere nothing is written."""

import io

from tnn_tflite.progress import with_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_quiet_where_nobody_watches(capsys):
    assert list(with_bar([1, 2, 3], "levels", wait=0)) == [1, 2, 3]
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_it_and_is_clean_in_the_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(with_bar(range(4), "levels", wait=0)) == [0, 1, 2, 3]
    written = terminal.getvalue()
    assert "0/4 levels" in written
    assert written.endswith("\r\x1b[K")


def test_quick_tasks_need_no_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    list(with_bar(range(4), "levels"))
    assert terminal.getvalue() == ""
