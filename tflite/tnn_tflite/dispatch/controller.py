"""The controller of a bundle: a network that reads an input and chooses the level for it."""

from collections.abc import Sequence

import numpy as np

from tnn_tflite.bundle.programs import ANSWER, CHOICE, Program
from tnn_tflite.dispatch.session_pool import SessionPool
from tnn_tflite.policies.policy import Choice, Inputs, KnownLevel, Policy


class Controller(Policy):
    """Runs the controller of a bundle, and for each sample the level it gives the most to.

    Of equal levels the lower one runs. A controller that answers, too, gives the answer of the
    lowest level: samples for which it chooses that level run no other.

    Args:
        program: The bundle's controller.
        pool: Runs it. Its file is read now: the bundle may get another controller later.
    """

    def __init__(self, program: Program, pool: SessionPool) -> None:
        self.program = program
        self._pool = pool
        self._names = [spec.name for spec in program.outputs]
        pool.keep_content()

    def choose(self, levels: Sequence[KnownLevel], inputs: Inputs) -> Choice:
        found, is_warm = self.run(list(inputs.values()))
        chosen = found[CHOICE].argmax(axis=-1).tolist()
        utilization = np.array([levels[index].utilization for index in chosen])
        answers = None
        if ANSWER in found:
            answers = [found[ANSWER]]
            utilization *= np.sign(chosen)  # 0 for the lowest level: it has answered
        names = ", ".join(f"u={levels[index].utilization:g}" for index in sorted(set(chosen)))
        reason = f"the controller chose {names}"
        return Choice(utilization, reason, answers, self.program.macs, is_warm)

    def run(self, inputs: Sequence[np.ndarray]) -> tuple[dict[str, np.ndarray], bool]:
        """Returns its outputs by name for a batch, and whether it had run before."""
        outputs, was_warm = self._pool.run_and_tell(inputs)
        return dict(zip(self._names, outputs, strict=True)), was_warm

    def warm_up(self) -> None:
        """Loads the controller and runs it once."""
        self._pool.warm_up()
