"""The wheel holds both packages, and no top-level `tflite` that would overwrite PyPI's."""

import re
import tarfile
import zipfile

import pytest
import yaml

from packages import ROOT, build


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built):
    with zipfile.ZipFile(built[1]) as archive:
        yield archive


def test_top_level(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"keras_tnn", "tnn_tflite"}


def test_holds_every_module(wheel):
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "keras_tnn").rglob("*.py")}
    shipped = (ROOT / "tflite/tnn_tflite").rglob("*.py")
    expected |= {str(path.relative_to(ROOT / "tflite")) for path in shipped}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == expected


def test_type_checkers_read_our_annotations(wheel):
    marks = {name for name in wheel.namelist() if name.endswith("py.typed")}
    assert marks == {"keras_tnn/py.typed", "tnn_tflite/py.typed"}


def test_the_sdist_can_be_tested_and_its_documents_read(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("LICENSE", "CITATION.cff", "tests/conftest.py", "docs/idea.svg", "mkdocs.yml"):
        assert name in names
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")} <= names


def test_metadata(wheel):
    lines = dist_info(wheel, "METADATA")
    assert "Author: keras-tnn developers" in lines
    assert "Requires-Python: >=3.11" in lines
    assert "License-File: LICENSE" in lines
    assert "Classifier: Typing :: Typed" in lines
    assert next(line for line in lines if line.startswith("Keywords: keras,tflite,"))


def test_the_changelog_begins_with_the_version_and_its_day(wheel):
    (version,) = (x[9:] for x in dist_info(wheel, "METADATA") if x.startswith("Version: "))
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", text, re.MULTILINE)[0] == version


def test_the_install_lines_name_the_wheel(built):
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert set(re.findall(r"keras_tnn-\S+?\.whl", pages)) == {built[1].name}


def test_the_citation_names_the_five_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # the format's demands
    papers = {
        f"{paper['authors'][0]['family-names']}{paper['year']}".lower()
        for paper in citation["references"]
    }
    assert papers == {path.stem for path in (ROOT / "docs/papers").glob("*.md")}


def dist_info(wheel, name):
    (path,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode().splitlines()


def test_base_needs_numpy_only(wheel):
    needs = [line for line in dist_info(wheel, "METADATA") if line.startswith("Requires-Dist:")]
    assert [line for line in needs if "extra ==" not in line] == ["Requires-Dist: numpy"]


def test_extras_and_command(wheel):
    lines = dist_info(wheel, "METADATA")
    extras = {line.split(": ")[1] for line in lines if line.startswith("Provides-Extra")}
    assert extras == {
        "train",
        "edge",
        "coral",
        "micro",
        "qat",
        "data",
        "plot",
        "onnx",
        "docs",
        "detection",
        "dev",
    }
    assert "keras-tnn = tnn_tflite.command:main" in dist_info(wheel, "entry_points.txt")
