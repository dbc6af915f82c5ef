"""Bazel's BUILD, read with Python: its language is a subset. Each source is in one target."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def targets():
    """The targets of BUILD by name, their globs resolved."""
    found = {}

    def glob(patterns, exclude=()):
        chosen = {path for pattern in patterns for path in ROOT.glob(pattern)}
        chosen -= {path for pattern in exclude for path in ROOT.glob(pattern)}
        return sorted(str(path.relative_to(ROOT)) for path in chosen)

    def target(name, **attributes):
        assert name not in found, f"two targets named {name}"
        found[name] = attributes

    source = (ROOT / "BUILD").read_text(encoding="utf-8")
    exec(source, {"glob": glob, "py_library": target, "py_test": target})
    return found


def test_each_python_file_is_a_source_of_one_target():
    sources = [source for attributes in targets().values() for source in attributes["srcs"]]
    folders = (ROOT / "keras_tnn", ROOT / "tflite", ROOT / "tests")
    expected = [str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*.py")]
    assert sorted(sources) == sorted(expected)


def test_dependencies_exist():
    built = targets()
    for attributes in built.values():
        for dependency in attributes.get("deps", ()):
            assert dependency.removeprefix(":") in built


def test_each_test_runs_itself():
    for name, attributes in targets().items():
        if "args" in attributes:
            assert attributes["srcs"] == [f"{name}.py"]
            assert attributes["args"] == [f"$(location {name}.py)"]
            assert (ROOT / attributes["main"]).exists()
