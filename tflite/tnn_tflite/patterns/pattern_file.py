"""One file for every pattern: which of its components a pattern opens, and what it leaves."""

from collections.abc import Callable

import numpy as np

from tnn_tflite.patterns.branched_file import BranchedFile
from tnn_tflite.patterns.flat import flattened
from tnn_tflite.patterns.head import write_flat

# Runs a file that reads gates, `(1, K)`; gives what it makes, in order.
Runs = Callable[[np.ndarray], list[np.ndarray]]


class PatternFile:
    """A network whose components stand behind `IF`s that only an input of gates decides.

    Which component an `IF` belongs to need not be written anywhere: the conditions of all `IF`s
    are a small network of their own, cut out as a pattern is, that is asked with the gates.

    Args:
        content: The bytes of the file.
        gates: Name of the input.
        load: Makes something that runs a file.

    Raises:
        ValueError: If it is no such file.
    """

    def __init__(self, content: bytes, gates: str, load: Callable[[bytes], Runs]) -> None:
        self._file = BranchedFile(content)
        self._gates = self._number_of(gates)
        everything = flattened(self._file, lambda place: True)
        self._places = list(everything.conditions)
        made = dict.fromkeys(everything.conditions.values())
        asked = everything.needed_for(made)
        if asked.inputs != (self._gates,):
            raise ValueError("conditions that depend on more than the gates")
        self._column = {tensor: column for column, tensor in enumerate(made)}
        self._tensors = everything.conditions
        names = [b"%d" % column for column in range(len(made))]
        self._ask = load(write_flat(self._file, asked, names))

    def cut(self, gates: np.ndarray) -> bytes:
        """Returns the file of a pattern: no `IF`, no gates, nothing of what is closed.

        Args:
            gates: `(K,)`, zeros and ones.

        Raises:
            ValueError: If something else than a condition reads the gates.
        """
        answers = self._ask(gates[np.newaxis])
        holds = {place: bool(answers[self._column[self._tensors[place]]]) for place in self._places}
        found = flattened(self._file, lambda place: holds.get(place, False))
        found = found.without_round_trips()
        network = found.needed_for(found.outputs)
        if self._gates in network.inputs:
            raise ValueError("gates that are read by more than conditions")
        return write_flat(self._file, network, self._output_names())

    def _output_names(self) -> list[bytes]:
        return [self._file.names[1][number] for number in self._file.subgraphs[0].outputs]

    def _number_of(self, name: str) -> int:
        """The place of an input among the inputs, which is its number in a flat network."""
        found = [
            place
            for place, number in enumerate(self._file.subgraphs[0].inputs)
            if self._file.names[0].get(number) == name.encode()
        ]
        if len(found) != 1:
            raise ValueError(f"no input '{name}'")
        return found[0]
