"""Layers and operations on entries that stand in the same place: sums, products, activations."""

from dataclasses import replace

import keras
import numpy as np
from keras import layers, ops

from keras_tnn.surgery.calls import LAST, channel_axis, has_channels, substitute, width
from keras_tnn.surgery.channels import Channels, CutTensor
from keras_tnn.surgery.registry import is_ours, rule
from keras_tnn.surgery.rule import Kept, Rule, indices

NAMES = (
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear "
    "log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign sparse_plus "
    "sparse_sigmoid squareplus tanh tanh_shrink"
)
ACTIVATIONS = tuple(getattr(keras.activations, name) for name in NAMES.split())


def is_elementwise(activation) -> bool:
    """Whether an activation treats each entry by itself; softmax does not."""
    known = activation is None or any(activation is one for one in ACTIVATIONS)
    return known or is_made_of_elementwise(activation)


def is_made_of_elementwise(activation) -> bool:
    """Whether a function records elementwise operations alone, for any number of channels."""
    try:
        for size in (2, 3):  # an array of one's own would fit one of them at most
            x = keras.KerasTensor((1, size))
            y = activation(x)
            called = keras.Function([x], y).operations
            known = all(type(one).__name__ in KNOWN and is_ours(type(one)) for one in called)
            if tuple(y.shape) != (1, size) or not known:
                return False
    except Exception:  # whatever a function may say to a tensor without values
        return False
    return True


def activate(activation, values: np.ndarray) -> np.ndarray:
    """Applies an activation function, or None, to a vector of constants."""
    if activation is None:
        return values
    return ops.convert_to_numpy(activation(ops.convert_to_tensor(values, "float32")))


# The operations behind functions of `keras.ops`; their classes are not public.
OPERATIONS = (
    "Absolute Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Cast Cbrt Ceil Celu Clip Copy "
    "Cos Cosh Divide Elu Equal Erf Exp Exp2 Expm1 Floor FloorDivide Gelu Greater GreaterEqual "
    "HardShrink HardSigmoid HardSilu HardTanh Hypot Isfinite Isinf Isnan LeakyRelu Less LessEqual "
    "Log Log10 Log1p Log2 LogSigmoid Logaddexp LogicalAnd LogicalNot LogicalOr LogicalXor Maximum "
    "Minimum Mod Multiply NanToNum Negative NotEqual Power ReLU Reciprocal Relu Relu6 Round Rsqrt "
    "Selu Sigmoid Sign Silu Sin Sinh SoftShrink Softplus Softsign SparsePlus SparseSigmoid Sqrt "
    "Square Squareplus StopGradient Subtract Tan Tanh TanhShrink Threshold TrueDivide Trunc Where"
)
KNOWN = {*OPERATIONS.split(), "InputLayer"}


@rule(
    *OPERATIONS.split(),
    layers.Average,
    layers.ELU,
    layers.LeakyReLU,
    layers.Maximum,
    layers.Minimum,
    layers.ReLU,
    layers.Subtract,
    "CustomScaleLayer",  # of keras.applications.InceptionResNetV2: x + scale * y
)
class Elementwise(Rule):
    """Output channel i depends on channel i of every input; an input of one channel is spread."""

    def applies(self, call):
        sizes = {width(x) for x in call.inputs}
        return (
            (isinstance(call.operation, keras.layers.Layer) or takes_numbers(call))
            and all(has_channels(x) or not x.shape for x in call.inputs)
            and {width(call.output)} <= sizes <= {1, width(call.output)}
        )

    def looks_at(self, call, x):
        return LAST if getattr(call.operation, "weights", ()) else None

    def puts(self, call, axis):
        return axis

    def constants(self, call, fills: list[np.ndarray]) -> np.ndarray:
        """What the operation makes of constant channels; NaN where it is not one number."""
        values = {key: ops.convert_to_tensor(value) for key, value in call.known.items()}
        for x, fill in zip(call.inputs, fills, strict=True):
            values[id(x)] = ops.convert_to_tensor(at_channels(x, fill), x.dtype)
        args, kwargs = substitute((call.args, call.kwargs), values)
        result = ops.convert_to_numpy(ops.cast(call.operation(*args, **kwargs), "float32"))
        axis, rank = channel_axis(call.output), len(call.output.shape)
        result = result.reshape((1,) * (rank - result.ndim) + result.shape)
        rows = np.moveaxis(result, axis, -1).reshape(-1, result.shape[axis])
        rows = np.broadcast_to(rows, (len(rows), width(call.output)))
        same = np.isfinite(rows[0]) & np.all(rows == rows[0], axis=0)
        return np.where(same, rows[0], np.nan)

    def tie(self, call, inputs, ties):
        size = width(call.output)
        full = [labels for labels in inputs if len(labels) == size]
        for labels in full[1:]:
            ties.tie(full[0], labels)
        return full[0]

    def forward(self, call, inputs):
        alive = np.any([np.broadcast_to(x.alive, width(call.output)) for x in inputs], axis=0)
        if alive.all():
            return Channels.all_alive(len(alive))
        fill = self.constants(call, [channels.fill for channels in inputs])
        return Channels(alive | np.isnan(fill), fill)

    def backward(self, call, inputs, needed):
        return [needed if x.size == len(needed) else np.array([True]) for x in inputs]

    def keep(self, call, inputs, wanted):
        one = np.array([True])  # the channel that is spread over all
        same = (wanted & (x.alive | x.hidden) if x.size == len(wanted) else one for x in inputs)
        return Kept(tuple(same), wanted)

    def weights(self, call, kept):
        """Channels on the last axis, unless a subclass says otherwise."""
        weights = getattr(call.operation, "weights", ())
        return [on_axis_of(w, LAST, kept.makes) for w in weights]

    def macs(self, call):
        return 0  # products of entries are not summed

    def passes_values_on(self, call):
        is_layer = isinstance(call.operation, keras.layers.Layer)
        return len(call.inputs) == 1 if is_layer else super().passes_values_on(call)

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        tensors = self.operands(call, inputs, kept, output.size)
        if isinstance(call.operation, keras.layers.Layer):
            left = Kept((), output.alive & needed)
            cut = indices(self.weights(call, left)), self.changes(call, left)
            return CutTensor(builder.repeat(call, tensors, *cut), kept, output)
        if len(kept) < output.size:
            call = with_cut_arrays(call, kept, output.size)
        return CutTensor(builder.repeat(call, tensors), kept, output)

    def operands(self, call, inputs, kept, size) -> list:
        """Each input with the kept channels; one of which nothing is left, as constants."""
        columns = [kept if piece.channels.size == size else np.array([0]) for piece in inputs]
        tensors = [
            piece.align(wanted, call.name) if np.isin(wanted, piece.kept).any() else None
            for piece, wanted in zip(inputs, columns, strict=True)
        ]
        like = next((x for x in tensors if x is not None), None)
        if like is None:  # says what is missing
            return [piece.align(kept, call.name) for piece in inputs]
        return [
            ops.zeros_like(like) + everywhere(x, piece.channels.fill[wanted])
            if tensor is None
            else tensor
            for tensor, x, piece, wanted in zip(tensors, call.inputs, inputs, columns, strict=True)
        ]


def on_axis_of(weight, axis: int, mask: np.ndarray) -> tuple:
    """A mask on one axis of a weight, the others whole."""
    axes = [None] * len(weight.shape)
    axes[axis] = mask
    return tuple(axes)


def at_channels(x, values: np.ndarray) -> np.ndarray:
    """Numbers a channel, or one for all, in the rank of a tensor."""
    shape = [1] * len(x.shape)
    if len(values) > 1:
        shape[channel_axis(x)] = -1
    return values.reshape(shape)


def everywhere(x, constants: np.ndarray) -> np.ndarray:
    """Constants a channel at all positions of a tensor, as far as their number is known."""
    positions = [1, *(1 if size is None else size for size in x.shape[1:])]
    if -channel_axis(x) <= len(positions):
        positions[channel_axis(x)] = len(constants)
    return np.broadcast_to(at_channels(x, constants), positions)


def takes_numbers(call) -> bool:
    """Whether an operation's settings are single numbers, and none of its arguments is a list."""
    settings = [x for name, x in vars(call.operation).items() if not name.startswith("_")]
    lists = [x for x in call.args if isinstance(x, (list, tuple))]
    return not lists and all(np.ndim(x) == 0 for x in settings)


def with_cut_arrays(call, kept: np.ndarray, size: int):
    """The call with the kept channels of the constant arrays among its arguments."""
    axis = channel_axis(call.output)

    def cut(x):
        is_array = hasattr(x, "shape") and not isinstance(x, keras.KerasTensor)
        if not is_array or len(x.shape) < -axis or x.shape[axis] != size:
            return x
        return np.take(ops.convert_to_numpy(x), kept, axis=axis)

    args, kwargs = keras.tree.map_structure(cut, (call.args, call.kwargs))
    return replace(call, args=args, kwargs=kwargs)


@rule(layers.Multiply, "Multiply")
class MultiplyRule(Elementwise):
    """As above, and zero wins: where one factor is zero the product is, whatever the others."""

    def forward(self, call, inputs):
        product = super().forward(call, inputs)
        zeros = (~x.alive & (x.fill == 0) for x in inputs)
        zero = np.any([np.broadcast_to(x, product.size) for x in zeros], axis=0)
        return Channels(product.alive & ~zero, np.where(zero, 0, product.fill))


@rule(layers.Add, "Add")
class AddRule(Elementwise):
    """As above, and terms that are zero drop out: a sum of one term is that term."""

    def alike(self, call) -> bool:
        """Whether each term has the shape of the sum."""
        return all(x.shape[1:] == call.output.shape[1:] for x in call.inputs)

    def keep(self, call, inputs, wanted):
        kept = super().keep(call, inputs, wanted)
        alone = len(inputs) == 2 and not all(x.any() for x in kept.reads)
        return kept.nothing() if alone and self.alike(call) else kept

    def build(self, call, inputs, output, needed, builder):
        kept = np.flatnonzero(output.alive & needed)
        if not self.alike(call):
            return super().build(call, inputs, output, needed, builder)
        terms = [
            (x, piece)
            for x, piece in zip(call.inputs, inputs, strict=True)
            if np.isin(kept, piece.kept).any() or piece.channels.fill[kept].any()
        ]
        if len(terms) == len(inputs):
            return super().build(call, inputs, output, needed, builder)
        left = replace(call, inputs=tuple(x for x, _ in terms))
        tensors = self.operands(left, [piece for _, piece in terms], kept, output.size)
        total = builder.repeat(call, tensors) if len(tensors) > 1 else tensors[0]
        return CutTensor(total, kept, output)


@rule(layers.Activation)
class ActivationRule(Elementwise):
    """An activation function; a softmax over the channels keeps them whole."""

    def applies(self, call):
        return is_elementwise(call.operation.activation) and super().applies(call)

    def passes_values_on(self, call):
        return is_elementwise(call.operation.activation) and super().passes_values_on(call)


@rule(layers.PReLU)
class PReLURule(Elementwise):
    """One slope a position and channel; where they share one, its weight has an axis of 1."""

    def looks_at(self, call, x):
        return None

    def weights(self, call, kept):
        (slopes,) = call.operation.weights
        own = slopes.shape[channel_axis(call.output)] == len(kept.makes)
        return [on_axis_of(slopes, channel_axis(call.output), kept.makes if own else None)]


@rule("LayerScale")
class LayerScaleRule(Elementwise):
    """Of keras.applications.ConvNeXt*: one scale a channel."""

    def changes(self, call, kept):
        return {"projection_dim": int(kept.makes.sum())}


@rule(layers.Rescaling)
class RescalingRule(Elementwise):
    """y = scale x + offset, each a number or one number a channel."""

    def applies(self, call):
        given = (call.operation.scale, call.operation.offset)
        most = 2 if channel_axis(call.output) == LAST else 1
        numbers = all(np.ndim(x) < most for x in given)
        return numbers and width(call.output) == width(call.inputs[0])

    def changes(self, call, kept):
        layer = call.operation
        per_channel = {"scale": layer.scale, "offset": layer.offset}
        return {
            name: np.asarray(value)[kept.makes].tolist()
            for name, value in per_channel.items()
            if np.size(value) > 1
        }
