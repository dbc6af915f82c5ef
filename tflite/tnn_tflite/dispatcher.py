"""The dial on the device: one call, a utilization, and the level that serves it."""

import os
from typing import Any

import numpy as np

from tnn_tflite.bundle import Bundle, Level
from tnn_tflite.inputs import InputReader
from tnn_tflite.interpreter import find_runtime
from tnn_tflite.manifest import read_bundle
from tnn_tflite.session_pool import SessionPool
from tnn_tflite.utilization import check_utilization, level_index


class Dispatcher:
    """Runs a bundle at the utilization that each call asks for.

    A level is loaded when it is first needed; `warm_up()` loads all of them. Once a level is
    loaded, switching to it costs nothing. Several threads may call one dispatcher: each runs
    on an interpreter of its own, and no lock is held while a network runs.

    If the bundle is replaced on the disk, open it again: a level of the new one does not pass
    the checks of the old manifest. After `warm_up()` the files are not needed any more.

    Args:
        directory: The bundle that `tnn_tflite.convert` wrote.
        num_threads: Threads that one interpreter may use.
        delegate: File name of a TFLite delegate library, for example `"libedgetpu.so.1"`.
            None runs on the CPU.
        runtime: `"ai_edge_litert"`, `"tflite_runtime"` or `"tensorflow"`. None takes the first
            of them that is installed.

    Raises:
        BundleError: If the bundle is missing, damaged, too new or unsafe.
        ImportError: If no TFLite interpreter is installed.
        ValueError: If another argument is not valid.

    Example:

    ```python
    dispatcher = tnn_tflite.Dispatcher("bundle")
    logits = dispatcher(image, utilization=0.5)  # image: (32, 32, 3) or (batch, 32, 32, 3)
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        num_threads: int = 1,
        delegate: str | None = None,
        runtime: str | None = None,
    ) -> None:
        self._bundle = read_bundle(directory)
        self._runtime = find_runtime(runtime, num_threads=num_threads, delegate=delegate)
        self._read_inputs = InputReader(self._bundle.inputs)
        self._utilizations = [level.utilization for level in self.levels]
        self._pools = [SessionPool(self._bundle, level, self._runtime) for level in self.levels]

    def __call__(self, x: Any, utilization: float = 1.0) -> np.ndarray | dict[str, np.ndarray]:
        """Runs the highest level that is not above `utilization`.

        Below the lowest level the lowest level runs: there is nothing smaller.

        Args:
            x: One sample, or a batch of any size. A network with several inputs takes a
                dictionary by name or a list in order. Arrays have exactly the dtype of the
                bundle's inputs, and floats are finite.
            utilization: How much of the network may run, in (0, 1].

        Returns:
            The output, with a batch axis if `x` has one. A network with several outputs gives
            a dictionary by name. The arrays belong to the caller.

        Raises:
            ValueError: If `x` or `utilization` is not valid.
        """
        pool = self._pools[self._index(utilization)]
        inputs, batched = self._read_inputs(x)
        outputs = pool.run(inputs)
        if not batched:
            outputs = [output.reshape(output.shape[1:]) for output in outputs]
        if len(outputs) == 1:
            return outputs[0]
        return {spec.name: out for spec, out in zip(self._bundle.outputs, outputs, strict=True)}

    def level_for(self, utilization: float) -> Level:
        """Returns the level that a call with this utilization runs.

        Args:
            utilization: How much of the network may run, in (0, 1].

        Raises:
            ValueError: If `utilization` is not valid.
        """
        return self.levels[self._index(utilization)]

    def warm_up(self) -> None:
        """Loads every level and runs each once, so that no later call waits for a file."""
        for pool in self._pools:
            pool.warm_up()

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels, from the lowest utilization to the highest."""
        return self._bundle.levels

    @property
    def runtime(self) -> str:
        """The name of the package whose interpreter runs."""
        return self._runtime.name

    @property
    def bundle(self) -> Bundle:
        """The bundle's description: inputs, outputs and levels."""
        return self._bundle

    def _index(self, utilization: float) -> int:
        return level_index(self._utilizations, check_utilization(utilization))
