"""The sessions of one pattern: a pool whose file is cut when it is needed."""

from collections.abc import Callable
from dataclasses import replace

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.programs import GATES, GatedNetwork
from tnn_tflite.dispatch.interpreter import Runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.session import Session
from tnn_tflite.dispatch.session_pool import SessionPool


class PatternPool(SessionPool):
    """As a `SessionPool` of the network, without its input of gates.

    Args:
        bundle, runtime, cap: As for `SessionPool`.
        network: The network that the pattern is cut from.
        cut: Returns the bytes of the pattern's file.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: GatedNetwork,
        runtime: Runtime,
        cap: MemoryCap | None,
        cut: Callable[[], bytes],
    ) -> None:
        inputs = tuple(spec for spec in network.inputs if spec.name != GATES)
        super().__init__(bundle, replace(network, inputs=inputs), runtime, cap)
        self._cut = cut

    def _read(self) -> bytes:
        return self._cut()

    def _load(self) -> Session:
        content = self._verified_content()
        # Until it is cut, the size of the whole network stands for that of the pattern.
        self.loaded.program = replace(self._program, bytes=len(content))
        return Session(self._bundle, self.loaded.program, content, self._runtime)
