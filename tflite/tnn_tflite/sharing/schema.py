"""The Python form of TFLite's schema, whichever installed package brings it."""

import functools
import importlib
from types import ModuleType

MODULES = ("ai_edge_litert.schema_py_generated", "tensorflow.lite.python.schema_py_generated")


@functools.cache
def load_schema() -> ModuleType:
    """Returns the module generated from TFLite's schema.

    Bundles are written with it. To read them takes no schema.

    Raises:
        ImportError: If no package brings one.
    """
    reasons = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            reasons.append(f"{name}: {error}")
    raise ImportError(
        "TFLite's schema cannot be loaded. Install it with: pip install keras-tnn[edge]. "
        f"Tried {'; '.join(reasons)}"
    )


@functools.cache
def names_of(enumeration: str) -> dict[int, str]:
    """Returns the names in an enumeration of the schema, such as "TensorType", by their numbers."""
    members = vars(getattr(load_schema(), enumeration)).items()
    return {number: name for name, number in members if not name.startswith("_")}
