"""`EinsumDense`: a dense layer by an equation, as attention layers project to heads and back."""

import numpy as np
from keras import layers, ops

from keras_tnn.surgery.calls import width
from keras_tnn.surgery.registry import rule
from keras_tnn.surgery.rule import Counted, Kept, Rule
from keras_tnn.surgery.rules.attention import nonzero
from keras_tnn.surgery.rules.elementwise import is_elementwise
from keras_tnn.surgery.rules.products import einsum_macs, spelled_out


class EinsumDenseMacs(Rule):
    """Of the input and a kernel."""

    def macs(self, call):
        layer = call.operation
        shapes = [(1, *call.inputs[0].shape[1:]), tuple(layer.kernel.shape)]
        return einsum_macs(call, layer.equation, shapes)


@rule(layers.EinsumDense)
class EinsumDenseRule(EinsumDenseMacs, Counted):
    """With channels on other axes, or more than one of them."""


@rule(layers.EinsumDense)
class ProjectionRule(EinsumDenseMacs):
    """From channels on the last axis to others, and to or from heads: "btc,chd->bthd"."""

    def subscripts(self, call) -> tuple[str, str, str]:
        layer = call.operation
        ranks = [len(call.inputs[0].shape), len(layer.kernel.shape)]
        return spelled_out(layer.equation, ranks, len(call.output.shape))

    def applies(self, call):
        layer = call.operation
        read, kernel, made = self.subscripts(call)
        mixes = read[-1] in kernel and read[-1] not in made
        makes = made[-1] in kernel and made[-1] not in read
        plain = is_elementwise(layer.activation) and not getattr(layer, "lora_enabled", False)
        return mixes and makes and plain

    def importance(self, call):
        read, kernel, _ = self.subscripts(call)
        weights = np.abs(ops.convert_to_numpy(call.operation.kernel))
        axis = kernel.index(read[-1])
        return [weights.sum(axis=tuple(i for i in range(weights.ndim) if i != axis))]

    def tie(self, call, inputs, ties):
        ties.mixed.append(call)
        return ties.fresh(width(call.output))

    def backward(self, call, inputs, needed):
        return [nonzero(inputs[0]) & needed.any()]

    def keep(self, call, inputs, wanted):
        return Kept((nonzero(inputs[0]),), wanted)

    def weights(self, call, kept):
        read, kernel, made = self.subscripts(call)
        mask_of = {read[-1]: kept.reads[0], made[-1]: kept.makes}
        bias = call.operation.bias_axes or ""
        # A bias has the axes from the first of `bias_axes` on, of size 1 where it is not named.
        behind = made[min(map(made.index, bias)) :] if bias else ""
        named = [mask_of.get(x) if x in bias else None for x in behind]
        return [tuple(map(mask_of.get, kernel)), *([tuple(named)] if bias else [])]

    def changes(self, call, kept):
        sizes = call.operation.get_config()["output_shape"]
        sizes = sizes if isinstance(sizes, (list, tuple)) else (sizes,)
        return {"output_shape": (*sizes[:-1], int(kept.makes.sum()))}

    def terms(self, call):
        return [self.macs(call)]

    def axes(self, call, kept):
        return [(kept.reads[0], kept.makes)]
