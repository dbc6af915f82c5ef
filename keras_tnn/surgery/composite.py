"""What a layer without a rule computes, as a model of the layers and operations inside it.

Its `call` is run once on symbolic inputs: Keras records what it calls. Weights that the layer owns
itself are in those calls `Parameter`s. What Keras cannot record, or what would not be the same
layer (branches of Python on `training`, states, losses), leaves it closed, with a reason.
"""

import inspect
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_tnn.layers.parameter import Parameter
from keras_tnn.surgery.batch import PARTS, counts_samples, with_known_batch
from keras_tnn.surgery.beside import recorded_beside, tensors_of
from keras_tnn.surgery.calls import is_tensor, mask_of, tensors_in


class Closed(Exception):
    """A layer cannot be opened; the message says why, with the layer as its subject."""


@dataclass(frozen=True)
class Opened:
    """A call of a layer as a model.

    Attributes:
        inputs: stand for the tensors among the call's arguments, in order, and behind them for
            the masks that these carry.
        outputs: what the layer returns, a tensor or a structure of them; None and constants may
            stand beside.
        operations: the layers and operations inside.
    """

    inputs: list
    outputs: Any
    operations: list

    @property
    def has_layers(self) -> bool:
        """Whether there are layers inside, and not operations alone."""
        layers = (one for one in self.operations if isinstance(one, keras.layers.Layer))
        return any(not isinstance(one, Parameter) for one in layers)

    @property
    def hands_on(self) -> bool:
        """Whether it returns its very input."""
        return self.outputs is self.inputs[0]

    @contextmanager
    def model(self) -> Iterator[keras.Model]:
        """The model, of an input where only constants are returned; no two layers have one name."""
        with different_names(self.operations):
            yield keras.Model(self.inputs, list(tensors_in(self.outputs)) or self.inputs[:1])


class Opening:
    """One call of a layer to look into.

    Args:
        layer: built.
        args, kwargs: of the call; tensors stand as `keras.KerasTensor`.
        name: of the call.
        parameters: the `Parameter`s around weights so far, by `id` of the weight; extended.
    """

    def __init__(self, layer, args: tuple, kwargs: dict, name: str, parameters: dict):
        self.layer, self.args, self.name, self.parameters = layer, args, name, parameters
        self.kwargs = {key: value for key, value in kwargs.items() if key != "training"}
        self.parameters_of_call = inspect.signature(layer.call).parameters
        self.knows_training = "training" in self.parameters_of_call
        if kwargs.get("training"):
            raise Closed("is called with training=True")

    def at_inference(self) -> Opened:
        """What it computes while nobody trains."""
        return self.trace(None)

    def at_any_time(self) -> Opened:
        """As above, if that is what it computes in training, too.

        Raises:
            Closed: if it is not. What does nothing at inference may do anything in training.
        """
        opened = self.trace(None)
        if opened.hands_on:
            return opened
        calls, told = signature(opened)
        if told:
            raise Closed("says itself whether the layers inside train")
        for training in (False, True) if self.knows_training else ():
            if signature(self.trace(training))[0] != calls:
                raise Closed("does something else in training")
        return opened

    def trace(self, training: bool | None) -> Opened:
        """Records the calls inside, `training` given if `call` takes it."""
        try:
            return self.record(training)
        except Closed as reason:
            with suppress(Closed):  # its rows may be parts of samples, to be put together
                return self.record(training, parts=PARTS)
            raise reason

    def record(self, training: bool | None, parts: int = 1) -> Opened:
        """As above, with a batch that so many parts divide."""
        inputs: list[keras.KerasTensor] = []
        carried: list[keras.KerasTensor] = []

        def fresh(x):
            return keras.Input(batch_shape=with_known_batch(x.shape, parts), dtype=x.dtype)

        def stand_in(x):
            if not is_tensor(x):
                return x
            inputs.append(fresh(x))
            made = as_the_layer_takes_it(self.layer, inputs[-1])
            if (mask := mask_of(x)) is None:
                return made
            carried.append(fresh(mask))
            return Carrying()(made, carried[-1])

        args, kwargs = keras.tree.map_structure(stand_in, (self.args, self.kwargs))
        self.give_masks(kwargs, inputs, carried)
        if self.knows_training:
            kwargs["training"] = training
        check_plain(self.layer)
        try:
            with self.weights_as_tensors(inputs[0]), recorded_beside(layers_held(self.layer)):
                outputs = self.layer.call(*args, **kwargs)
            return self.opened([*inputs, *carried], outputs)
        except Closed:
            raise
        except Exception as error:  # whatever a `call` may say to a tensor without values
            reason = str(error).strip().split("\n")[0]
            raise Closed(f"cannot be recorded ({type(error).__name__}: {reason[:80]})") from error

    def give_masks(self, kwargs: dict, inputs: list, carried: list):
        """Adds the mask that Keras gives to `call` where nobody else does."""
        names = self.parameters_of_call
        if carried and "mask" in names and len(inputs) == 1:
            kwargs["mask"] = carried[0]
        elif carried and any(f"{name}_mask" in names for name in names):
            raise Closed("gets masks of several tensors")

    def opened(self, inputs: list, outputs) -> Opened:
        outputs = keras.tree.map_structure(constant_or_symbolic, outputs)
        tensors = list(tensors_in(outputs))
        if not tensors:  # constants alone
            return Opened(inputs, outputs, [])
        with different_names(layers_held(self.layer)):
            called = keras.Function(inputs, tensors).operations
        inside = [one for one in called if not isinstance(one, keras.layers.InputLayer)]
        for operation in inside:
            if not isinstance(operation, keras.layers.Layer):  # it is of this trace alone
                operation.name = f"{self.name}_{operation.name}"
        return Opened(inputs, outputs, inside)

    @contextmanager
    def weights_as_tensors(self, anchor) -> Iterator[None]:
        """Within it the layer's own weights are symbolic tensors, which calls can read.

        Nothing changes a weight or a state of the layer within it. A weight of a layer inside
        that is read past that layer is a tensor from nowhere, so that nothing can be recorded.
        """
        layer, own = self.layer, {}
        attributes = vars(layer)
        scope = keras.StatelessScope()

        def as_tensor(key, variable):
            if id(variable) not in own:
                own[id(variable)] = self.parameter(key, variable)(anchor)
                if is_weight(variable):
                    scope.add_update((variable, own[id(variable)]))
            return own[id(variable)]

        swapped = {
            key: with_tensors(value, partial(as_tensor, key))
            for key, value in attributes.items()
            if holds_weights(value)
        }
        before = {key: attributes[key] for key in swapped}
        for variable in layer.variables:
            if id(variable) not in own:
                scope.add_update((variable, keras.KerasTensor(variable.shape, variable.dtype)))
        given = dict(scope.state_mapping)
        attributes.update(swapped)
        try:
            with scope:
                yield
        finally:
            attributes.update(before)
        if any(scope.state_mapping.get(key) is not value for key, value in given.items()):
            raise Closed("changes a state of its own")

    def parameter(self, key: str, value) -> Parameter:
        """A node for a weight; or for a constant, the attribute `key`, which is never trained."""
        if id(value) not in self.parameters:
            name = value.name if is_weight(value) else key
            variable = value if is_weight(value) else keras.Variable(value, trainable=False)
            self.parameters[id(value)] = Parameter.holding(
                variable,
                name=f"{self.name}_{name}",
                dtype=self.layer.dtype_policy,
                trainable=variable.trainable,
            )
        return self.parameters[id(value)]


class Carrying(keras.layers.Layer):
    """Its input, with which Keras hands a mask on."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, x, carried):
        return x

    def compute_mask(self, x, previous_mask):
        return self.carried

    def __call__(self, x, carried):
        self.carried = carried
        return super().__call__(x, carried)


def check_plain(layer):
    """Raises `Closed` for what `call` does not show: what Keras does around it."""
    if getattr(layer, "activity_regularizer", None) is not None:
        raise Closed("has a loss of its own")
    if getattr(layer, "quantization_mode", None):
        raise Closed("is quantized")


def as_the_layer_takes_it(layer, x):
    """The tensor as Keras casts it before `call`."""
    casts = layer.autocast and keras.backend.is_float_dtype(x.dtype)
    return ops.cast(x, layer.compute_dtype) if casts and x.dtype != layer.compute_dtype else x


def constant_or_symbolic(x):
    """One output of a layer: None, a symbolic tensor or a constant.

    Raises:
        Closed: if it is a constant with a row for each sample.
    """
    if x is None or is_tensor(x):
        return x
    constant = ops.convert_to_tensor(x)
    if any(map(counts_samples, constant.shape)):
        raise Closed("returns a constant of the size of the batch")
    return constant


def is_weight(x) -> bool:
    return isinstance(x, keras.Variable)


def holds_weights(value) -> bool:
    """Whether an attribute is a weight or constant, or holds weights and nothing else."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(is_weight, value))
    if isinstance(value, dict):
        return bool(value) and all(map(is_weight, value.values()))
    return is_weight(value) or keras.ops.is_tensor(value)


def with_tensors(value, as_tensor):
    """The attribute with tensors in place of weights."""
    if isinstance(value, (list, tuple)):
        return [as_tensor(x) for x in value]
    if isinstance(value, dict):
        return {key: as_tensor(x) for key, x in value.items()}
    return as_tensor(value)


@contextmanager
def different_names(operations: list) -> Iterator[None]:
    """Within it no two operations have one name, which Keras does not allow in a model."""
    taken, before = Counter(), [(one, one.name) for one in operations]
    for one, name in before:
        if taken[name]:
            one.name = f"{name}_{taken[name]}"
        taken[name] += 1
    try:
        yield
    finally:
        for one, name in before:
            one.name = name


def layers_held(layer) -> list:
    """The layers inside a layer, and those inside them, each once."""
    found: dict[int, Any] = {}
    # With torch, a layer keeps those it holds in a dictionary of its own.
    waiting = [*vars(layer).values()]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, keras.layers.Layer):
            if id(one) not in found:
                found[id(one)] = one
                waiting += vars(one).values()
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one
    return list(found.values())


def default_of_training(operation) -> bool | None:
    """What Keras writes where nobody says whether a layer trains."""
    parameters = inspect.signature(operation.call).parameters
    return parameters["training"].default if "training" in parameters else None


def signature(opened: Opened) -> tuple[list, bool]:
    """What it calls, to compare two openings of one layer.

    Returns:
        Of each call the layer, or the kind and settings of an operation, and the arguments, with
        numbers in place of tensors, and what it returns; and whether a layer inside is told that
        it trains or not.
    """
    numbers: dict[int, int] = {}
    calls: list[tuple] = []
    told: list[bool] = []

    def plain(x):
        if isinstance(x, keras.KerasTensor):
            return "tensor", numbers.setdefault(id(x), len(numbers))
        is_array = hasattr(x, "shape")
        return ops.convert_to_numpy(x).tobytes() if is_array else repr(x)

    def record(operation, *args, **kwargs):
        output, _ = tensors_of(operation, *args, **kwargs)
        told.append(kwargs.pop("training", None) not in (None, default_of_training(operation)))
        read = keras.tree.map_structure(plain, [args, kwargs])
        if isinstance(operation, keras.layers.Layer):
            calls.append((id(operation), read))
        else:
            settings = {k: v for k, v in vars(operation).items() if k[0] != "_" and k != "name"}
            calls.append((type(operation), repr(settings), read))
        keras.tree.map_structure(plain, output)
        return output

    with opened.model() as model:
        keras.models.clone_model(model, clone_function=lambda one: one, call_function=record)
    beside = [plain(x) for x in keras.tree.flatten(opened.outputs) if not is_tensor(x)]
    return [*calls, ("returns", beside)], any(told)
