"""Who may import whom. Imports inside functions count as well; those for type checkers do not."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A room may import itself and the rooms that stand before it.
ORDER = ["quantities", "utilization", "gates", "layers", "surgery", "cost", "losses", "training"]
ORDER += ["throttling", "exits", "callbacks", "models"]
# These look at models from outside; no room above imports them.
OBSERVERS = {
    "analysis": {"utilization", "gates", "layers", "surgery", "training", "cost", "losses"}
    | {"exits", "quantities"},
}
OBSERVERS["controllers"] = {*OBSERVERS["analysis"], "analysis"}
ALLOWED = {room: {*ORDER[:place], room} for place, room in enumerate(ORDER)}
ALLOWED |= {room: {*rooms, room} for room, rooms in OBSERVERS.items()}

# The same for tnn_tflite: first what any room may use, then what a device needs to dispatch,
# then what looks at a bundle, and last what makes one.
SHIPS = ["forks", "children", "errors", "positive", "quantized_values", "saved_model"]
SHIPS += ["sensor_files", "text_table", "utilization", "result_table", "row_table", "progress"]
SHIPS += ["policies", "outputs", "latency", "sharing", "patterns", "bundle", "dispatch"]
SHIPS += ["lint", "micro", "planar", "quantization", "conversion", "command"]
# Its rooms that run where models are trained, not on devices.
SHIPPING = {"conversion", "quantization", "planar", "command"}
PLACES = {
    "keras_tnn": ("keras_tnn", ALLOWED),
    "tnn_tflite": (
        "tflite/tnn_tflite",
        {room: {*SHIPS[:place], room} for place, room in enumerate(SHIPS)},
    ),
}


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


def rooms_imported(source: str, package: str) -> set[str]:
    names = [module.split(".") for module in imported_modules(source)]
    return {name[1] for name in names if name[0] == package and len(name) > 1}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


# Each file with its package, but not the files that gather the public names.
FILES_OF_ROOMS = [
    pytest.param(package, path, id=str(path.relative_to(ROOT)))
    for package, (folder, _) in PLACES.items()
    for path in files(folder)
    if path != ROOT / folder / "__init__.py"
]


@pytest.mark.parametrize(("package", "path"), FILES_OF_ROOMS)
def test_a_room_imports_only_rooms_before_it(package, path):
    folder, allowed = PLACES[package]
    room = path.relative_to(ROOT / folder).parts[0].removesuffix(".py")
    assert room in allowed, f"give {room!r} a place in the order of {package}"
    assert rooms_imported(path.read_text(encoding="utf-8"), package) <= allowed[room]


@pytest.mark.parametrize("package", PLACES)
def test_no_modules_import_each_other_in_a_circle(package):
    folder = ROOT / PLACES[package][0]
    imports = {
        module_name(path, folder): imported_modules(path.read_text(encoding="utf-8"))
        for path in files(PLACES[package][0])
    }
    assert circle(known_only(imports)) == []


def module_name(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder.parent).with_suffix("").parts)


def known_only(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The modules that each imports; `from a.b import c` may mean `a.b.c`, `a.b` or its room."""

    def module(name: str) -> str | None:
        owner = name.rpartition(".")[0]
        candidates = (name, f"{name}.__init__", owner, f"{owner}.__init__")
        return next((found for found in candidates if found in imports), None)

    return {
        name: {found for found in map(module, names) if found not in (None, name)}
        for name, names in imports.items()
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules, each of which imports the next and the last the first; empty if there are none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        found = next(filter(None, (walk(after, [*path, node]) for after in graph[node])), [])
        done.add(node)
        return found

    return next(filter(None, (walk(node, []) for node in graph)), [])


def test_a_circle_is_found():
    assert sorted(circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == ["b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert known_only({"p.a": {"p.b.f", "os.path"}, "p.b": {"p.r.g"}, "p.r.__init__": set()}) == {
        "p.a": {"p.b"},
        "p.b": {"p.r.__init__"},
        "p.r.__init__": set(),
    }


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
    assert rooms_imported(source, "keras_tnn") == {"models", "gates", "layers"}
