"""What a layer without a rule computes, as a model of the layers and operations inside it.

Its `call` is run once on symbolic inputs: Keras records what it calls. Weights that the layer owns
itself are in those calls `Parameter`s. What Keras cannot record, or what would not be the same
layer (branches of Python on `training`, states, losses), leaves it closed, with a reason.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_tnn.layers.parameter import Parameter
from keras_tnn.surgery.batch import PARTS, counts_samples, with_known_batch
from keras_tnn.surgery.beside import recorded_beside
from keras_tnn.surgery.calls import is_tensor, mask_of, tensors_in
from keras_tnn.surgery.opened import Closed, Opened, different_names, signature


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
