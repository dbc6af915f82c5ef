"""Docstrings say what, which arguments, and show how: what an IDE shows is all a user needs."""

import inspect
import re

import pytest

import keras_tnn
from descriptors import ABSTRACT, EVERY, described

ROOMS = [getattr(keras_tnn, name) for name in keras_tnn.__all__]
FUNCTIONS = {
    getattr(room, name)
    for room in ROOMS
    if inspect.ismodule(room)
    for name in room.__all__
    if inspect.isfunction(getattr(room, name))
}
DOCUMENTED = sorted(described() | FUNCTIONS, key=lambda public: public.__name__)
SHOWN = sorted({descriptor.public for descriptor in EVERY} - {*ABSTRACT}, key=lambda x: x.__name__)


def name_of(public):
    return public.__name__


def arguments_of(public) -> list[str]:
    """Names of the arguments that the public itself takes, in order."""
    parameters = inspect.signature(public).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.kind not in variadic and p.name != "name"]


@pytest.mark.parametrize("public", DOCUMENTED, ids=name_of)
def test_first_line_is_a_sentence(public):
    first, *rest = inspect.getdoc(public).splitlines()
    assert first.rstrip()[-1] in ".:"
    assert not rest or rest[0] == ""


@pytest.mark.parametrize("public", DOCUMENTED, ids=name_of)
def test_every_argument_is_documented(public):
    text = inspect.getdoc(public)
    # `Args:` and, for dataclasses, `Attributes:`; "stride, padding:" documents both.
    entries = re.findall(r"^ {4}([\w*, ]+):", text, flags=re.MULTILINE)
    documented = {name.strip() for entry in entries for name in entry.split(",")}
    assert [name for name in arguments_of(public) if name not in documented] == []


@pytest.mark.parametrize("public", SHOWN, ids=name_of)
def test_shows_an_example(public):
    _, marker, example = inspect.getdoc(public).partition("\nExample:\n")
    assert marker, "no section `Example:`"
    assert ">>>" in example or "```python" in example


@pytest.mark.parametrize("public", ABSTRACT, ids=name_of)
def test_a_base_says_what_a_subclass_writes(public):
    assert inspect.isabstract(public) or "A subclass writes" in inspect.getdoc(public)


@pytest.mark.parametrize("public", SHOWN, ids=name_of)
def test_errors_are_announced(public):
    """A constructor or a function that raises has a section `Raises:`."""
    source = inspect.getsource(public.__init__ if inspect.isclass(public) else public)
    if re.search(r"^\s+raise ", source, flags=re.MULTILINE):
        assert "\nRaises:\n" in inspect.getdoc(public)
