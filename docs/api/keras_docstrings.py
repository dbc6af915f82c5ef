"""Docstrings in the manner of Keras, as Markdown: sections of any name, and examples as code."""

import re
import textwrap

import griffe

DOCTEST = re.compile(r"^( *)>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
SECTION = re.compile(
    r"^(Example|Call arguments|Input shape|Output shape):\n((?: {4}.*\n?)*)", re.MULTILINE
)


def as_markdown(text: str) -> str:
    """Fences doctests, and makes headings of the sections that Google's style does not know."""
    fenced = DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
    return SECTION.sub(lambda found: f"**{found[1]}**\n\n{textwrap.dedent(found[2])}", fenced)


class KerasDocstrings(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
