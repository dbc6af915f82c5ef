"""The TFLite interpreter of this machine, whichever package brings it."""

import ctypes
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow")
MOST_THREADS = 256  # no device has more cores; a million crash the process that asks for them


@dataclass
class Runtime:
    """One way to run `.tflite` files, with the options every interpreter gets.

    Args:
        name: One of `RUNTIMES`.
        interpreter_class: The package's `Interpreter`.
        load_delegate: The package's function that loads a delegate library.
        num_threads: Threads an interpreter may use.
        delegate: File name of a delegate library, or None.
    """

    name: str
    interpreter_class: Callable[..., Any]
    load_delegate: Callable[[str], Any]
    num_threads: int = 1
    delegate: str | None = None
    _loaded: list[Any] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        # A delegate that cannot be loaded is reported now and not at the first image.
        self._loaded += self._new_delegates()

    def interpreter(self, content: bytes) -> Any:
        """Returns a new interpreter for the bytes of a `.tflite` file, tensors not allocated.

        Each interpreter gets a delegate object of its own: two threads that share one would
        share its buffers.
        """
        try:
            delegates = [self._loaded.pop()]
        except IndexError:
            delegates = self._new_delegates()
        return self.interpreter_class(
            model_content=content,
            num_threads=self.num_threads,
            experimental_delegates=delegates,
        )

    def _new_delegates(self) -> list[Any]:
        if self.delegate is None:
            return []
        try:
            # Looked up first: a `Delegate` without it complains once more when it is deleted.
            _ = ctypes.CDLL(self.delegate).tflite_plugin_create_delegate
            return [self.load_delegate(self.delegate)]
        except (OSError, ValueError, RuntimeError, AttributeError) as error:
            raise ValueError(
                "Invalid value for `delegate`. Expected the file name of a TFLite delegate "
                "library that this machine can load, for example 'libedgetpu.so.1'. "
                f"Received: delegate={self.delegate!r} ({error}). Install the library, or "
                "leave `delegate` out to run on the CPU."
            ) from error


def keeping_every_tensor(runtime: Runtime, content: bytes) -> Any:
    """Returns an interpreter whose tensors can all be read after a run, tensors allocated.

    It uses no delegate, as XNNPACK too keeps only what it hands over.

    Args:
        runtime: Where the interpreter comes from.
        content: The bytes of a `.tflite` file.
    """
    module = importlib.import_module(runtime.interpreter_class.__module__)
    interpreter = runtime.interpreter_class(
        model_content=content,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


def find_runtime(
    name: str | None = None, *, num_threads: int = 1, delegate: str | None = None
) -> Runtime:
    """Returns the named runtime, or the first one of `RUNTIMES` that is installed.

    Args:
        name: One of `RUNTIMES`, or None for the first that can be imported.
        num_threads: Threads an interpreter may use, from 1 to 256.
        delegate: File name of a delegate library, for example `"libedgetpu.so.1"`.

    Returns:
        The runtime.

    Raises:
        ImportError: If no interpreter can be loaded.
        ValueError: If an argument is not valid or the delegate cannot be loaded.
    """
    _check_name(name)
    _check_num_threads(num_threads)
    _check_delegate(delegate)
    reasons = []
    for candidate in RUNTIMES if name is None else (name,):
        try:
            interpreter_class, load_delegate = _import(candidate)
        except ImportError as error:
            reasons.append(f"{candidate}: {error}")
        else:
            return Runtime(candidate, interpreter_class, load_delegate, num_threads, delegate)
    raise ImportError(
        "No TFLite interpreter can be loaded. Install one with: "
        f"pip install keras-tnn[edge]. Tried {'; '.join(reasons)}"
    )


def _import(name: str) -> tuple[Callable[..., Any], Callable[[str], Any]]:
    if name == "tensorflow":
        lite: ModuleType = importlib.import_module("tensorflow").lite
        return lite.Interpreter, lite.experimental.load_delegate
    module_name = f"{name}.interpreter"
    if name == "tflite_runtime" and "tensorflow" in sys.modules and module_name not in sys.modules:
        # Both bring TFLite's symbols; loaded second, 2.14 reads garbage ("vector::reserve").
        raise ImportError("does not work in a process that has loaded TensorFlow before")
    module = importlib.import_module(module_name)
    return module.Interpreter, module.load_delegate


def _check_name(name: str | None) -> None:
    if name is not None and name not in RUNTIMES:
        raise ValueError(
            f"Invalid value for `runtime`. Expected one of {RUNTIMES} or None. "
            f"Received: runtime={name!r}"
        )


def _check_num_threads(num_threads: int) -> None:
    is_integer = isinstance(num_threads, int) and not isinstance(num_threads, bool)
    if not is_integer or not 1 <= num_threads <= MOST_THREADS:
        raise ValueError(
            f"Invalid value for `num_threads`. Expected an integer in [1, {MOST_THREADS}]. "
            f"Received: num_threads={num_threads!r}"
        )


def _check_delegate(delegate: str | None) -> None:
    if delegate is not None and not isinstance(delegate, str):
        raise ValueError(
            "Invalid value for `delegate`. Expected the file name of a library, or None. "
            f"Received: delegate={delegate!r}"
        )
