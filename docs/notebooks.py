"""Writes the guides as notebooks: their Python as cells, all else as text.

python docs/notebooks.py
"""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = (*sorted((DOCS / "guides").glob("*.md")), DOCS / "ecosystem.md")
FOLDER = DOCS.parent / "examples/notebooks"
CODE = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
LINK = re.compile(r"\]\((?=[\w./]+\.md)")  # to another page


def notebook(page: Path) -> str:
    """Returns a page as the JSON of a notebook, format 4.5."""
    home = Path("../..") / page.parent.relative_to(DOCS.parent)
    parts = CODE.split(page.read_text(encoding="utf-8"))  # text and code in turn
    cells = [
        _code(part, place) if place % 2 else _text(LINK.sub(f"]({home.as_posix()}/", part), place)
        for place, part in enumerate(parts)
        if part.strip()
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def path_of(page: Path) -> Path:
    """Returns where the notebook of a page stands."""
    return FOLDER / f"{page.stem}.ipynb"


def _code(source: str, place: int) -> dict:
    return {"cell_type": "code", "execution_count": None, "outputs": [], **_cell(source, place)}


def _text(source: str, place: int) -> dict:
    return {"cell_type": "markdown", **_cell(source, place)}


def _cell(source: str, place: int) -> dict:
    return {
        "id": f"cell-{place}",
        "metadata": {},
        "source": source.strip().splitlines(keepends=True),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in PAGES:
        path_of(each).write_text(notebook(each), encoding="utf-8")
