"""Reads a functional model as a list of calls, in the order in which they run."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import keras

from keras_tnn.layers.parameter import Parameter
from keras_tnn.surgery.batch import NeedsBatch, without_batch
from keras_tnn.surgery.beside import tensors_of
from keras_tnn.surgery.calls import (
    Call,
    Graph,
    carries_mask,
    features_in,
    is_tensor,
    substitute,
    tensors_in,
    without_mask,
)
from keras_tnn.surgery.composite import Carrying, Opening
from keras_tnn.surgery.layout import lay_out
from keras_tnn.surgery.opened import Closed, Opened
from keras_tnn.surgery.registry import find, is_open_to_all
from keras_tnn.surgery.sizes import with_known_sizes


def read_graph(model: keras.Model, at_inference: bool = False, composites: bool = True) -> Graph:
    """Lists the calls of a functional or sequential model, those inside its layers included.

    Nested models are followed, and so are layers without a rule that are built from layers, or
    from operations that all have one: see `keras_tnn.surgery.composite`.

    Args:
        model: built functional or sequential model.
        at_inference: whether what a layer computes at inference is enough to look inside, as it
            is for counting.
        composites: whether to look inside layers at all. The calls inside are made by the very
            layers, whose names may be equal, so that no model can be made of them.

    Returns:
        `Graph`.

    Raises:
        ValueError: if the model is subclassed or not built, so that it has no graph.
    """
    if not has_graph(model):
        raise ValueError(
            f"Model '{model.name}' has no graph of layers to follow. Expected a built functional "
            f"or sequential model. Received: {type(model).__name__}. Build a sequential model by "
            "giving it a keras.Input first. Write a subclassed model as functions of tensors: "
            "call its layers on a keras.Input and build keras.Model(inputs, outputs)."
        )
    return Reader(at_inference, composites, {}).read(as_functional(model))


class Reader:
    """Lists the calls of one model; of what is nested in it another one does.

    Args:
        at_inference, composites: as for `read_graph`.
        parameters: the `Parameter`s around weights so far, by `id` of the weight.
    """

    def __init__(self, at_inference: bool, composites: bool, parameters: dict):
        self.settings = (at_inference, composites, parameters)
        self.at_inference, self.composites, self.parameters = self.settings
        self.calls: list[Call] = []
        self.made_inside: dict[int, keras.KerasTensor] = {}

    def read(self, model: keras.Model) -> Graph:
        # Cloning with the very same layers visits every call in order and shares the weights.
        clone = keras.models.clone_model(
            keras.Model(model.input, model.output, name=model.name),
            clone_function=lambda layer: layer,
            call_function=self.visit,
        )
        outputs = substitute(clone.output, self.made_inside)
        return lay_out(Graph(tuple(clone.inputs), tuple(self.calls), outputs, clone.input))

    def visit(self, operation, *args, **kwargs):
        """One call of the model. The clone holds it as one, as names in two models may be equal."""
        output, is_all = tensors_of(operation, *args, **kwargs)
        read = tensors_in((args, kwargs))
        args, kwargs = substitute((args, kwargs), self.made_inside)
        made, closed_by = self.look_inside(operation, args, kwargs, output)
        if made is None and not is_all:
            because = f", which {closed_by}" if closed_by else ""
            raise Closed(f"gets more than tensors from '{operation.name}' inside{because}")
        if made is None:
            pairs = zip(read, tensors_in((args, kwargs)), strict=True)
            same = all(outer.shape == inner.shape for outer, inner in pairs)
            known = output if same else operation(*args, **kwargs)
            known = with_known_sizes(operation, args, known)
            made = tensors_in(known)
            self.calls.append(recorded(operation, args, kwargs, known, closed_by))
        pairs = zip(tensors_in(output), made, strict=True)
        self.made_inside |= {id(outer): inner for outer, inner in pairs if inner is not outer}
        return output

    def look_inside(self, operation, args, kwargs, output) -> tuple:
        """What the calls inside return, now recorded; or None, and why nobody looks inside."""
        if isinstance(operation, keras.Model) and has_graph(operation):
            if tensors_in(kwargs.get("mask")) and not carries_mask(args[0]):
                return None, ""  # inside, nobody hands this mask on
            graph = Reader(*self.settings).read(as_functional(operation))
            inputs = tensors_in((args, without_mask(kwargs)))
            return self.replay(graph, inputs, lambda call: in_model(call, operation.name)), ""
        if not self.composites or not is_open_to_all(type(operation)):
            return None, ""
        try:
            return self.replay_layer(operation, args, kwargs, output), ""
        except Closed as reason:
            return None, str(reason)

    def replay_layer(self, layer, args, kwargs, output) -> tuple | None:
        opening = Opening(layer, args, kwargs, layer.name, self.parameters)
        opened = opening.at_inference() if self.at_inference else opening.at_any_time()
        if opened.hands_on:
            self.calls.append(replace(recorded(layer, args, kwargs, output, ""), hands_on=True))
            return tensors_in(output)
        check_same_spec(opened, output)
        with opened.model() as model:
            graph = Reader(*self.settings).read(model)
            check_no_weights(graph)
            try:
                graph = without_batch(graph)
            except NeedsBatch as reason:
                raise Closed(str(reason)) from reason
            if not opened.has_layers and not all(
                self.is_clear(call, graph) for call in graph.calls
            ):
                return None  # it is a layer of unknown kind, and not the operations in it
            inputs = tensors_in((args, kwargs))
            check_no_masks(graph, graph.inputs[len(inputs) :])
            made = self.replay(graph, inputs, lambda call: in_layer(call, layer.name))
        return self.with_constants(opened, made, layer, inputs[0])

    def with_constants(self, opened: Opened, made: tuple, layer, anchor) -> tuple:
        """What a layer returns: tensors it made, and constants as nodes; no None."""
        made, outputs = iter(made), []
        for x in keras.tree.flatten(opened.outputs):
            if is_tensor(x):
                outputs.append(next(made))
            elif x is not None:
                value = keras.Variable(x, trainable=False)
                name = f"{layer.name}_constant"
                node = Parameter.holding(value, name=name, trainable=False)
                outputs.append(node(anchor))
                self.calls.append(recorded(node, (anchor,), {}, outputs[-1], ""))
        return tuple(outputs)

    def is_clear(self, call: Call, graph: Graph) -> bool:
        """Whether a call inside says more than the layer around it."""
        if not self.at_inference:
            return any(one.followed for one in find(type(call.operation))[0])
        made_by = (graph.made_by.get(id(x)) for x in call.inputs)
        weights = [x.operation for x in made_by if x and isinstance(x.operation, Parameter)]
        multiplies = any(len(one.shape) > 1 for one in weights)
        return not multiplies or bool(find(type(call.operation))[0])

    def replay(self, inner: Graph, tensors: tuple, place: Callable[[Call], Call]) -> tuple:
        """Makes the calls of another graph on `tensors`; returns what it returns.

        Args:
            inner: the graph.
            tensors: in place of its inputs. Masks that they carry stand behind in the graph: Keras
                hands them on again.
            place: says of a call where it stands.
        """
        given = itertools.zip_longest(inner.inputs, tensors)
        tensor_of = {id(own): tensor for own, tensor in given}
        for call in inner.calls:
            args, kwargs = substitute((call.args, call.kwargs), tensor_of)
            if isinstance(call.operation, Carrying):
                tensor_of[id(call.output)] = args[0]
                continue
            output = with_known_sizes(call.operation, args, call.operation(*args, **kwargs))
            made = zip(call.outputs, tensors_in(output), strict=True)
            tensor_of |= {id(old): new for old, new in made}
            inputs = features_in(call.operation, args, kwargs)
            new = replace(call, args=args, kwargs=kwargs, inputs=inputs, output=output)
            self.calls.append(place(new))
        return tensors_in(substitute(inner.outputs, tensor_of))


def recorded(operation, args, kwargs, output, closed_by: str) -> Call:
    inputs = features_in(operation, args, kwargs)
    return Call(operation, args, kwargs, inputs, output, closed_by=closed_by)


def in_model(call: Call, name: str) -> Call:
    """The call as one of a nested model."""
    return replace(call, within=(name, *call.within))


def in_layer(call: Call, name: str) -> Call:
    """The call as one of a layer: its name says where it stands."""

    def inside(own: str) -> str:
        return own if own.startswith(f"{name}_") else f"{name}_{own}"

    within = (name, *map(inside, call.within))
    return replace(call, label=inside(call.name), within=within)


def check_same_spec(opened: Opened, output):
    """Raises `Closed` if what is inside makes other tensors than the layer says.

    Of sizes other than that of the channels what `call` makes is the truth, as it runs.
    """
    inner = [x for x in keras.tree.flatten(opened.outputs) if x is not None]
    outer = tensors_in(output)
    same = len(inner) == len(outer) and all(
        keras.backend.standardize_dtype(one.dtype) == other.dtype
        and len(one.shape) == len(other.shape)
        and all(a == b for a, b in zip(one.shape[-1:], other.shape[-1:], strict=True) if a and b)
        for one, other in zip(inner, outer, strict=True)
    )
    if not same:
        raise Closed("says of its output what its `call` does not say")


def check_no_weights(graph: Graph):
    """Raises `Closed` if a call inside a layer reads a weight that is no tensor of the graph."""
    for call in graph.calls:
        for x in keras.tree.flatten((call.args, call.kwargs)):
            if isinstance(x, keras.Variable):
                raise Closed(f"reads a weight of a layer inside past that layer, '{x.path}'")


def check_no_masks(graph: Graph, masks: tuple):
    """Raises `Closed` if a call inside computes with one of the masks that tensors carry.

    Where Keras wrote one as an argument of a layer, such as `value_mask`, it will do so again.
    """
    carried = {id(x) for x in masks}
    for call in graph.calls:
        by_keras = {name for name in call.kwargs if name == "mask" or name.endswith("_mask")}
        others = [value for name, value in call.kwargs.items() if name not in by_keras]
        read = {id(x) for x in tensors_in((call.args, others))}
        if read & carried and not isinstance(call.operation, Carrying):
            raise Closed("computes with a mask that is not among its arguments")


def as_functional(model: keras.Model) -> keras.Model:
    is_sequential = isinstance(model, keras.Sequential)
    return keras.Model(model.inputs, model.outputs, name=model.name) if is_sequential else model


def has_graph(model: keras.Model) -> bool:
    """Whether the model's calls are those of its graph, and not of a `call` written by hand."""
    owner = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    written_by_hand = owner.__module__.split(".")[0] not in ("keras", "keras_tnn")
    return bool(getattr(model, "inputs", None) and model.outputs) and not written_by_hand
