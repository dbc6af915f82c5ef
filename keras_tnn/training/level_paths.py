"""The forward passes of a throttled model at fixed levels, each on its active channels only.

A path is the level's network with the model's own layers, and slices of those that the level
cuts. What lies in front of the first gate is the same at every level: it runs once a step, so all
levels of a step see one view of each sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_tnn.layers.gated import Gated
from keras_tnn.surgery.calls import Call, Graph, tensors_in
from keras_tnn.surgery.cut import backward, build, forward, known_utilization
from keras_tnn.surgery.materialize import read_throttled_graph
from keras_tnn.training.sliced import SharingBuilder


@dataclass(frozen=True)
class Pass:
    """What a forward pass beside the step's own gives.

    Attributes:
        outputs: of the level.
        losses: scalars that its layers added.
    """

    outputs: Any
    losses: list


class LevelPaths:
    """The paths of a model at a list of levels.

    Args:
        model: `keras_tnn.ThrottledModel`.
        levels: floats in (0, 1].

    Raises:
        ValueError: if gates are learned, or a constant would have to be folded into a weight.
    """

    def __init__(self, model, levels: Sequence[float]):
        if model.learned_gates:
            raise ValueError(
                f"Model '{model.name}' cannot train on its active channels alone: its gates are "
                "learned, so that they differ from step to step. Draw utilization per sample."
            )
        graph = self.graph = read_throttled_graph(model)
        self.model = model
        self.states = [v for v in model.variables if not any(v is w for w in model.weights)]
        self.followed = {float(level): follow_level(graph, level) for level in levels}
        self.whole = set.intersection(*(untouched(graph, *one) for one in self.followed.values()))
        stem = [call for call in graph.calls if self.in_stem(call)]
        rest = [call for call in graph.calls if not self.in_stem(call)]
        wanted = [*(x for call in rest for x in call.sources), *tensors_in(graph.outputs)]
        self.read = tuple({id(x): x for x in wanted if id(x) in self.whole}.values())
        features = tuple(x for x in graph.inputs if x.name != "utilization")
        self.stem = path(Graph(features, tuple(stem), list(self.read), list(features)), "stem")
        self.paths: dict[float, keras.Model] = {}
        self.make(min(self.followed))  # says at once what cannot be

    def in_stem(self, call: Call) -> bool:
        return self.whole.issuperset(map(id, call.outputs))

    def make(self, *levels: float):
        """Makes the paths of levels where they are missing; outside of compiled functions."""
        for level in set(levels) - self.paths.keys():
            calls, channels, needed, known = self.followed[level]
            left = [call for call in calls if not self.in_stem(call)]
            graph = Graph(self.read, tuple(left), self.graph.outputs, list(self.read))
            builder, name = SharingBuilder(known), f"at_{level:g}"
            self.paths[level] = build(graph, left, channels, needed, known, name, builder).model

    def shared(self, features) -> list:
        """What all levels read, from the model's inputs without utilization."""
        made = self.stem(bare(keras.tree.flatten(features)), training=True)
        return keras.tree.flatten(made)

    def run(self, level: float, shared: list):
        """The level's outputs in training mode; its layers' states move on."""
        return self.paths[level](bare(shared), training=True)

    def run_apart(self, level: float, shared: list) -> Pass:
        """As `run`, but statistics stay as they are, and losses are kept apart."""
        values = [(v, v) for v in self.model.variables]
        with keras.StatelessScope(values, collect_losses=True) as scope:
            outputs = self.paths[level](bare(shared), training=True)
        for random_state in self.states:
            random_state.assign(scope.get_current_value(random_state))
        return Pass(outputs, list(scope.losses))


def bare(tensors: list):
    """One tensor alone, as a functional model takes it, or the list."""
    return tensors[0] if len(tensors) == 1 else tensors


def follow_level(graph: Graph, level: float) -> tuple:
    """The calls of a level, with what is known of each tensor and which channels are read."""
    known = known_utilization(graph, level)
    calls, channels = forward(graph, known)
    return calls, channels, backward(graph, calls, channels), known


def untouched(graph: Graph, calls: list[Call], channels, needed, known) -> set[int]:
    """The tensors that no gate has touched and that are whole, by `id`."""
    found = {id(x) for x in graph.inputs} - known.keys()
    for call in calls:
        whole = all((channels[id(x)].alive & needed[id(x)]).all() for x in call.outputs)
        gated = call.known or isinstance(call.operation, Gated)
        if whole and not gated and found.issuperset(map(id, call.sources)):
            found.update(map(id, call.outputs))
    return found


def path(graph: Graph, name: str) -> keras.Model:
    """The calls of a graph once more, with the same layers."""
    calls, channels = forward(graph, {})
    needed = backward(graph, calls, channels)
    return build(graph, calls, channels, needed, {}, name, SharingBuilder()).model
