"""The notebooks are the guides as they are now."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs/notebooks.py"
spec = importlib.util.spec_from_file_location("notebooks", SCRIPT)
notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebooks)


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_a_notebook_is_its_page(page):
    """If not: `python docs/notebooks.py`."""
    path = notebooks.path_of(page)
    assert path.read_text(encoding="utf-8") == notebooks.notebook(page)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert "\n".join(code) == "\n".join(
        re.findall(r"```python\n(.*?)\n```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
    assert all(ast.parse(one) for one in code)
    for cell in cells:
        for link in re.findall(r"\]\(([\w./]+\.md)", "".join(cell["source"])):
            assert (path.parent / link).resolve().is_file(), link


def test_no_other_notebooks():
    found = set(notebooks.FOLDER.glob("*.ipynb"))
    assert found == {notebooks.path_of(page) for page in notebooks.PAGES}


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_a_notebook_is_valid(page):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not here")
    nbformat.validate(nbformat.read(notebooks.path_of(page), as_version=4))
