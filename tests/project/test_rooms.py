"""Who may import whom. Imports inside functions count as well; those for type checkers do not."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A room may import itself and the rooms that stand before it.
ORDER = ["utilization", "gates", "layers", "surgery", "cost", "losses", "training"]
ORDER += ["throttling", "callbacks", "models"]
# These look at models from outside; no room above imports them.
OBSERVERS = {
    "analysis": {"utilization", "gates", "layers", "surgery", "training", "cost", "losses"},
}
# Rooms of tnn_tflite that run where models are trained, not on devices.
SHIPPING = {"conversion", "quantization", "planar", "command"}
ALLOWED = {room: {*ORDER[:place], room} for place, room in enumerate(ORDER)}
ALLOWED |= {room: {*rooms, room} for room, rooms in OBSERVERS.items()}


def for_type_checkers(node) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imported_modules(source: str) -> set[str]:
    """Full names of what a source imports: `from a.b import c` gives `a.b.c`."""
    modules, nodes = set(), [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        if not for_type_checkers(node):
            nodes += ast.iter_child_nodes(node)
    return modules


def rooms_imported(source: str) -> set[str]:
    names = [module.split(".") for module in imported_modules(source)]
    return {name[1] for name in names if name[0] == "keras_tnn" and len(name) > 1}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


ROOM_FILES = [path for path in files("keras_tnn") if path != ROOT / "keras_tnn/__init__.py"]


@pytest.mark.parametrize("path", ROOM_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_rooms_before_it(path):
    room = path.relative_to(ROOT / "keras_tnn").parts[0].removesuffix(".py")
    assert room in ALLOWED, f"give {room!r} a place in ORDER"
    assert rooms_imported(path.read_text(encoding="utf-8")) <= ALLOWED[room]


@pytest.mark.parametrize("path", files("keras_tnn"), ids=lambda path: str(path.relative_to(ROOT)))
def test_keras_tnn_never_imports_what_ships(path):
    tops = {name.split(".")[0] for name in imported_modules(path.read_text(encoding="utf-8"))}
    assert "tnn_tflite" not in tops


@pytest.mark.parametrize(
    "path", files("tflite/tnn_tflite"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_only_what_ships_models_imports_keras(path):
    tops = {name.split(".")[0] for name in imported_modules(path.read_text(encoding="utf-8"))}
    if path.parent.name not in SHIPPING:
        assert not tops & {"keras_tnn", "keras"}


def test_nobody_imports_private_keras():
    for path in [*files("keras_tnn"), *files("tflite"), *files("examples"), *files("tests")]:
        modules = imported_modules(path.read_text(encoding="utf-8"))
        assert not [m for m in modules if m.startswith("keras.src")], path


def test_the_reader_of_imports_sees_all_kinds():
    source = (
        "import keras_tnn.models.vgg\n"
        "from keras_tnn import gates\n"
        "def f():\n    from keras_tnn.layers import ChannelGate\n"
        "if TYPE_CHECKING:\n    from keras_tnn.cost import count_macs\n"
    )
    assert rooms_imported(source) == {"models", "gates", "layers"}
