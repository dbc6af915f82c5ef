"""The network of a budget policy, run with any pattern: behind `IF`s, or cut and kept.

A policy uses few of the 2^K patterns. A cut one has no `IF` and takes less time, but cutting and
loading it takes as long as some hundred runs save (`benchmarks/budget_patterns.py`). So a pattern
runs behind `IF`s until it has been seen that often: whatever comes then, at most twice the time is
spent on it that was needed.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import GATES
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.pattern_pool import PatternPool
from tnn_tflite.dispatch.session_pool import SessionPool
from tnn_tflite.errors import BundleError
from tnn_tflite.forks import leave_to_parent, renew_in_children
from tnn_tflite.patterns.pattern_file import PatternFile

SIGHTINGS = 100  # samples of a pattern before it is cut
REMEMBERED = 32  # patterns whose samples are counted, for each that may be kept


def check_patterns_kept(patterns: int) -> None:
    """Raises `ValueError` unless a dispatcher can keep so many patterns."""
    if not isinstance(patterns, int) or isinstance(patterns, bool) or patterns < 0:
        raise ValueError(
            "Invalid value for `patterns`. Expected an integer, zero or more. "
            f"Received: patterns={patterns!r}"
        )


class PatternCache:
    """Runs the network; keeps the cut patterns that were used last.

    Args:
        bundle: A bundle with a budget policy.
        runtime: Makes the interpreters.
        cap: Bounds the memory of all that is loaded, or None.
        most: How many patterns are kept at most. 0 cuts none.
        sightings: How many samples of a pattern come before it is cut; by default `SIGHTINGS`.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        cap: MemoryCap | None = None,
        most: int = 32,
        sightings: int | None = None,
    ) -> None:
        self._bundle, self._runtime, self._cap = bundle, runtime, cap
        self._most = most
        self._sightings = SIGHTINGS if sightings is None else sightings
        self._branched = SessionPool(bundle, bundle.network, runtime, cap)
        self._kept: OrderedDict[bytes, PatternPool] = OrderedDict()
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self._file: PatternFile | None = None
        renew_in_children(self)

    def renew(self) -> None:
        self._choosing = threading.Lock()  # held for microseconds, never while something runs
        self._cutting = threading.Lock()
        leave_to_parent(self._file)  # its interpreter may be running in another thread
        self._file = None

    def run(
        self, gates: np.ndarray, inputs: Sequence[np.ndarray]
    ) -> tuple[list[np.ndarray], bool, bool]:
        """Runs a batch with one pattern.

        Args:
            gates: `(K,)`, zeros and ones.
            inputs: An array `(batch, *spec.shape)` for each input.

        Returns:
            An array for each output; whether what ran had run before; and whether it was cut.
        """
        pool = self._pool_of(gates, len(inputs[0]))
        if pool is None:
            rows = np.broadcast_to(gates, (len(inputs[0]), len(gates)))
            return *self._branched.run_and_tell([*inputs, rows]), False
        return *pool.run_and_tell(inputs), True

    def warm_up(self) -> None:
        """Loads the network with its `IF`s and runs it once; patterns are known when they come."""
        self._branched.warm_up()

    @property
    def patterns(self) -> int:
        """How many cut patterns are kept."""
        return len(self._kept)

    def try_out(self) -> None:
        """Runs the network with all gates closed and with all open, behind `IF`s and cut."""
        sample = [np.zeros((1, *spec.shape), spec.dtype) for spec in self._bundle.inputs]
        for value in (0, 1):
            gates = np.full(len(self._bundle.network.component_macs), value, np.float32)
            self._branched.warm_up()  # compares shapes with the manifest, before they are used
            self._branched.run([*sample, gates[np.newaxis]])
            self._pool(gates, None).run(sample)

    def cut(self, gates: np.ndarray) -> bytes:
        """Returns the file of one pattern.

        Args:
            gates: `(K,)`, zeros and ones.

        Raises:
            BundleError: If the network's file is none that patterns can be cut from.
        """
        with self._cutting:
            try:
                if self._file is None:
                    content = self._bundle.read_level(self._bundle.network)
                    self._file = PatternFile(content, GATES, self._asking)
                return self._file.cut(gates)
            except ValueError as error:
                raise BundleError.at(
                    self._bundle.directory,
                    expected=f"'{self._bundle.network.file}' to be a network behind IFs",
                    received=str(error),
                ) from error

    def _pool_of(self, gates: np.ndarray, samples: int) -> PatternPool | None:
        """The pool of a pattern that is or will now be kept; None if it runs behind `IF`s."""
        key = np.packbits(gates > 0).tobytes()
        with self._choosing:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            before = self._seen.pop(key, 0)
            if not self._most or before < self._sightings:
                self._seen[key] = before + samples
                if len(self._seen) > REMEMBERED * max(1, self._most):
                    self._seen.popitem(last=False)
                return None
            return self._keep(key, gates.copy())

    def _keep(self, key: bytes, gates: np.ndarray) -> PatternPool:
        if len(self._kept) == self._most:
            _, last = self._kept.popitem(last=False)
            if self._cap is not None:
                self._cap.forget(last.loaded)
        self._kept[key] = self._pool(gates, self._cap)
        return self._kept[key]

    def _pool(self, gates: np.ndarray, cap: MemoryCap | None) -> PatternPool:
        bundle = self._bundle
        return PatternPool(bundle, bundle.network, self._runtime, cap, partial(self.cut, gates))

    def _asking(self, content: bytes) -> Callable[[np.ndarray], list[np.ndarray]]:
        """What `PatternFile` runs the conditions on."""
        interpreter = self._runtime.interpreter(content)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]["index"]
        made = [details["index"] for details in interpreter.get_output_details()]

        def ask(gates: np.ndarray) -> list[np.ndarray]:
            interpreter.set_tensor(source, gates)
            interpreter.invoke()
            return [interpreter.get_tensor(index) for index in made]

        return ask
