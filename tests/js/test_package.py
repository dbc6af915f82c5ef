"""The package: its names, its lock file, its guide, and files from a server."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import threading

from dispatcher_in_node import GOLDEN, PACKAGE, ROOT, in_node, skip_without_npm

SOURCE = (PACKAGE / "src" / "index.js").as_uri()
GUIDE = (ROOT / "docs" / "browser.md").read_text(encoding="utf-8")


def declared(file):
    """The names of classes and functions that a file of types has."""
    text = (PACKAGE / "types" / file).read_text()
    return re.findall(r"^export (?:class|function) (\w+)", text, re.MULTILINE)


def test_types_have_the_names_of_the_package():
    names = in_node("exports.mjs", SOURCE)
    assert sorted(declared("index.d.ts")) == sorted(names["index"])
    assert sorted(declared("index.d.ts") + declared("node.d.ts")) == sorted(names["node"])


# A folder of src/ may import itself and those before it; files beside them come first.
ROOMS = ["", "policies", "sharing", "bundle", "dispatch", "node"]


def test_a_room_imports_only_rooms_before_it():
    source = PACKAGE / "src"
    for path in source.rglob("*.js"):
        if path.stem == "index":
            continue
        room = path.parent.relative_to(source).as_posix().removeprefix(".")
        for found in re.findall(r'^import .*"(\.[^"]+)";', path.read_text(), re.MULTILINE):
            other = (path.parent / found).resolve()
            assert other.is_file(), f"{path}: {found}"
            theirs = other.parent.relative_to(source).as_posix().removeprefix(".")
            assert ROOMS.index(theirs) <= ROOMS.index(room), f"{path}: {found}"


def test_what_it_needs_is_pinned_and_comes_from_anywhere():
    package = json.loads((PACKAGE / "package.json").read_text())
    (version,) = package["dependencies"].values()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    lock = (PACKAGE / "package-lock.json").read_text()
    assert "://" not in lock and '"resolved"' not in lock
    assert json.loads(lock)["packages"]["node_modules/@litertjs/core"]["version"] == version


def blocks():
    return re.findall(r"```js\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_runs_in_node(tmp_path):
    skip_without_npm()
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "tnn-dispatcher").symlink_to(PACKAGE)
    shutil.copytree(GOLDEN / "version_3", tmp_path / "bundle")
    (block,) = [block for block in blocks() if "tnn-dispatcher/node" in block]
    (tmp_path / "guide.mjs").write_text(block)
    command = ["node", "guide.mjs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\S+ \{", done.stdout, re.MULTILINE) == ["0.5 {", "1 {"]


def test_the_guide_imports_what_is_there():
    names = in_node("exports.mjs", SOURCE)["index"]
    (block,) = [block for block in blocks() if "fromUrl" in block]
    (imported,) = re.findall(r'import \{ (.*?) \} from "tnn-dispatcher"', block)
    assert set(imported.split(", ")) <= set(names)


def test_files_from_a_server(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "long").write_bytes(bytes(500_000))
    (tmp_path / "bundle" / "with space & #1").write_bytes(bytes(9))
    (tmp_path / "outside").write_bytes(bytes(9))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def copyfile(self, source, outputfile):
            with contextlib.suppress(OSError):  # the reader has enough
                super().copyfile(source, outputfile)

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/bundle"
        files = [("long", 500_000), ("long", 10), ("with space & #1", 9), ("none", 9)]
        files += [("../outside", 9), ("..", 9), ("", 9)]
        found = in_node("fetches.mjs", SOURCE, url, json.dumps(files))
        server.shutdown()
    assert found[:3] == [500_000, 11, 9]
    assert "Expected a file 'none'. Received: status 404" in found[3]
    assert all("which leaves the folder" in error for error in found[4:])
