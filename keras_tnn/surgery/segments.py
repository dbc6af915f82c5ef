"""Segments: a network with exits as the stretches from one exit to the next (wang2019, III-B).

With A_i the calls that output i needs, segment i makes the calls S_i = A_i - (A_1 + ... + A_(i-1)).
So each call stands in one segment, that of the first exit that needs it, and the head of an exit
stands in its own. What is made in a segment and read in a later one is handed on, nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_tnn.surgery.calls import Call, Graph, substitute, tensors_in
from keras_tnn.surgery.graph import read_graph


@dataclass(frozen=True)
class Origin:
    """Where an input of a segment comes from.

    Attributes:
        segment: index of an earlier segment, None for an input of the network.
        place: index among its outputs, or among the network's inputs.
    """

    segment: int | None
    place: int


@dataclass(frozen=True)
class Segment:
    """The stretch of a network from one exit to the next.

    Attributes:
        exit: name of the exit that it ends in.
        model: `keras.Model` that shares the layers of the network. Its outputs are that of the exit
            and, behind it, the tensors that it hands on.
        origins: an `Origin` for each input of `model`.
    """

    exit: str
    model: keras.Model
    origins: tuple[Origin, ...]

    def reads(self, inputs: Sequence, made: Sequence[Sequence]) -> list:
        """What `model` takes.

        Args:
            inputs: those of the network, in order.
            made: the outputs of each earlier segment.
        """
        sources = [inputs if one.segment is None else made[one.segment] for one in self.origins]
        return [source[one.place] for source, one in zip(sources, self.origins, strict=True)]


def segments(model: keras.Model, exit_names: Sequence[str] | None = None) -> tuple[Segment, ...]:
    """Splits a network with exits into segments; run in turn they compute what it computes.

    Args:
        model: functional model whose outputs are its exits in order of depth, the network's own
            output last. A throttled one is cut to a level first, `tnn.materialize(model, u)`.
        exit_names: a name for each output. Defaults to `model.exit_names`, and to the names of the
            outputs where it has none.

    Returns:
        A `Segment` for each output. Their MACs add up to those of the model.

    Raises:
        ValueError: if the model has no graph, fewer than two outputs, an output that nothing has
            to be computed for once the earlier ones are there, or if the names do not fit.

    Example:

    >>> x = keras.Input((8, 8, 3))
    >>> early = keras.layers.Conv2D(4, 3, name="early")(x)
    >>> late = keras.layers.Conv2D(4, 3, name="late")(early)
    >>> heads = [keras.layers.Flatten()(early), keras.layers.Flatten()(late)]
    >>> first, second = keras_tnn.surgery.segments(keras.Model(x, heads), ("exit", "end"))
    >>> [layer.name for layer in second.model.layers if layer.weights]
    ['late']
    >>> second.origins  # the first output of a segment is that of its exit
    (Origin(segment=0, place=1),)
    """
    graph = read_graph(model)
    exits = tensors_in(graph.outputs)
    names = checked_names(model, exits, exit_names)
    placed = calls_by_segment(graph, exits)
    for name, calls in zip(names, placed, strict=True):
        if not calls:
            raise ValueError(
                f"Invalid value for `model`. Expected exits in order of depth, each of which needs "
                f"calls of its own. Received: '{name}' of '{model.name}', which is there before"
            )
    return tuple(built_segments(graph, exits, placed, names))


def run_segments(parts: Sequence[Segment], inputs: Any) -> Iterator[Any]:
    """Runs segments in turn, in Keras.

    Args:
        parts: what `segments` returned.
        inputs: tensor or structure of tensors, as the network takes them.

    Yields:
        The output of each exit.

    Example:

    >>> x = keras.Input((3,))
    >>> half = keras.layers.Dense(2)(x)
    >>> model = keras.Model(x, [half, keras.layers.Dense(2)(half)])
    >>> parts = keras_tnn.surgery.segments(model)
    >>> [tuple(y.shape) for y in keras_tnn.surgery.run_segments(parts, np.ones((5, 3)))]
    [(5, 2), (5, 2)]
    """
    inputs, made = list(map(ops.convert_to_tensor, keras.tree.flatten(inputs))), []
    for part in parts:
        # A mask is an input of its own where one is read: what carries one, too, is copied.
        read = [ops.copy(x) if hasattr(x, "_keras_mask") else x for x in part.reads(inputs, made)]
        made.append(keras.tree.flatten(part.model(read, training=False)))
        yield made[-1][0]


def checked_names(model: keras.Model, exits: tuple, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the exits.

    Raises:
        ValueError: if there is but one exit, or not one name of its own for each.
    """
    if len(exits) < 2:
        raise ValueError(
            f"Invalid value for `model`. Expected a network with exits, so at least two outputs. "
            f"Received: '{model.name}' with {len(exits)}"
        )
    if names is None:
        names = getattr(model, "exit_names", None) or output_names(model)
    names = tuple(names)
    if len(names) != len(exits) or len(set(names)) < len(names):
        raise ValueError(
            f"Invalid value for `exit_names`. Expected {len(exits)} different names, one for each "
            f"output of '{model.name}'. Received: {names}"
        )
    return names


def output_names(model: keras.Model) -> tuple[str, ...]:
    """The names of the layers that make the outputs; of two that are equal the second is "x_1"."""
    names: list[str] = []
    for name in model.output_names:
        candidates = (f"{name}_{i}" if i else name for i in range(len(names) + 1))
        names.append(next(one for one in candidates if one not in names))
    return tuple(names)


def calls_by_segment(graph: Graph, exits: tuple) -> list[list[Call]]:
    """For each exit the calls that it needs and no earlier one did, in running order."""
    placed, done = [], set()
    for exit_tensor in exits:
        needed, waiting = set(), [exit_tensor]
        while waiting:
            call = graph.made_by.get(id(waiting.pop()))  # None for an input of the network
            if call is not None and id(call) not in done and id(call) not in needed:
                needed.add(id(call))
                waiting += call.sources
        done |= needed
        placed.append([call for call in graph.calls if id(call) in needed])
    return placed


def built_segments(
    graph: Graph, exits: tuple, placed: list, names: Sequence[str]
) -> Iterator[Segment]:
    """Makes each segment's calls again, on inputs that stand for what it reads from others."""
    origins = {id(x): Origin(None, place) for place, x in enumerate(graph.inputs)}
    called = {id(x): x.name for x in graph.inputs}
    for index, (calls, name) in enumerate(zip(placed, names, strict=True)):
        later = {id(x) for after in placed[index + 1 :] for call in after for x in call.sources}
        made = [x for call in calls for x in call.outputs]
        own = {id(x) for x in made}
        read = [x for call in calls for x in call.sources if id(x) not in own]
        read = list({id(x): x for x in read}.values())  # each once
        handed = [x for x in made if id(x) in later and x is not exits[index]]
        new = {
            id(x): keras.Input(batch_shape=x.shape, dtype=x.dtype, name=called[id(x)]) for x in read
        }
        outputs = [exits[index], *handed]
        model = keras.Model(list(new.values()), replayed(calls, new, outputs), name=name)
        yield Segment(name, model, tuple(origins[id(x)] for x in read))
        for place, x in enumerate(outputs):
            origins[id(x)] = Origin(index, place)
            called[id(x)] = f"handed_{len(called) - len(graph.inputs)}"


def replayed(calls: Sequence[Call], new: dict[int, Any], outputs: Sequence) -> list:
    """`outputs`, as the calls make them when `new` stands in place of what they read."""
    tensors = dict(new)
    for call in calls:
        args, kwargs = substitute((call.args, call.kwargs), tensors)
        made = tensors_in(call.operation(*args, **kwargs))
        tensors |= {id(old): one for old, one in zip(call.outputs, made, strict=True)}
    return [tensors[id(x)] for x in outputs]
