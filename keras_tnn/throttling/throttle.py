"""A trained Keras model becomes a throttled one with the same weights."""

from collections.abc import Collection, Sequence

import keras

from keras_tnn.gates import Nested, depthwise_order
from keras_tnn.surgery.graph import Graph, read_graph
from keras_tnn.throttling.depth import residual_stages
from keras_tnn.throttling.gated_copy import GatedCopy
from keras_tnn.throttling.width import plan_width
from keras_tnn.training import ThrottledModel


def throttle(
    model: keras.Model,
    num_groups: int = 8,
    axes: Sequence[str] = ("width", "depth"),
    *,
    skip: Collection[str] = (),
    min_groups: int = 1,
    channel_order: str | None = None,
    strict: bool = False,
) -> ThrottledModel:
    """Gives a dial to a functional or sequential Keras model. The model is left as it is.

    The result holds copies of all layers with their trained weights, and gates that utilization
    opens one after another (nested, liu2022, 3.2.3). At u = 1 its outputs are the model's. Below,
    it needs training: fine-tune it with `AnnealedUtilization`, which draws u uniformly from
    [t, 1] with t falling from 1 (hostetler2019, 5.2 and A.3).

    In width, the channels of every layer are gated in `num_groups` groups; channels that are
    added up or multiplied share their group. In depth, the branches of residual blocks with an
    identity shortcut are gated as a whole, in the order of hostetler2019, 5.2. Model inputs and
    outputs stay whole, and so does what a layer of unknown kind reads.

    Args:
        model: built functional or sequential model; nested models and shared layers are followed.
        num_groups: Integer, the cardinality D. Layers with fewer channels stay whole; where D
            does not divide the channels, group sizes differ by one.
        axes: what to gate: "width", "depth" or both.
        skip: names of layers to leave alone: their channels stay whole, and blocks that hold
            them stay open.
        min_groups: Integer in [1, num_groups], groups of channels that are always open.
        channel_order: None opens channels in the order of the model, "l1" those first that the
            next layers weigh most (L1 norm of the weights that read them, as once-for-all sorts
            channels). Exact at u = 1 either way.
        strict: whether a layer of unknown kind raises an error rather than a warning.

    Returns:
        `keras_tnn.ThrottledModel` on the model's inputs and on utilization, which may be left
        out. Not compiled.

    Raises:
        ValueError: if the model has no graph (subclassed, not built) or has a dial already, if
            an argument is not valid, if `num_groups` is more than the channels of every layer
            that may be gated, if only "depth" is asked for and there is no residual block, or if
            `strict` and a layer is unknown.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(16, 3, activation="relu")(image)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(image, keras.layers.Dense(10)(x))
    >>> dialled = throttle(model, num_groups=4)
    >>> [keras_tnn.count_macs(dialled, u) for u in (0.25, 0.5, 1.0)]
    [3928, 7856, 15712]
    """
    skip = set([skip] if isinstance(skip, str) else skip)
    check_arguments(num_groups, axes, min_groups, channel_order)
    graph = read_graph(model)
    check_graph(graph, model, skip)
    width, stages = None, []
    if "width" in axes:
        width = plan_width(graph, num_groups, skip, channel_order, strict)
        if width.most_groups < num_groups:
            raise ValueError(
                f"Invalid value for `num_groups`. Expected at most {width.most_groups}, the most "
                f"channels of a layer of '{model.name}' that may be gated: those of inputs, of "
                "outputs, and of layers that need their inputs whole may not. "
                f"Received: num_groups={num_groups}"
            )
    if "depth" in axes:
        stages = residual_stages(graph, skip)
        if not stages and not width:
            raise ValueError(
                f"Invalid value for `axes`. Model '{model.name}' has no residual block with an "
                f"identity shortcut. Expected 'width' among them. Received: axes={tuple(axes)}"
            )
    copy = GatedCopy(graph, model.name)
    if width:
        copy.gate_channels(width, Nested(num_groups, min_groups, name=copy.unused("open_groups")))
    if stages:
        order = depthwise_order(tuple(len(stage) for stage in stages))
        blocks = [block for stage in stages for block in stage]
        copy.gate_blocks(blocks, Nested(len(order), order=order, name=copy.unused("open_blocks")))
    return copy.build()


def check_arguments(num_groups, axes, min_groups, channel_order):
    if not isinstance(num_groups, int) or isinstance(num_groups, bool) or num_groups < 1:
        raise ValueError(
            "Invalid value for `num_groups`. Expected a positive integer. "
            f"Received: num_groups={num_groups!r}"
        )
    if isinstance(axes, str) or not axes or not set(axes) <= {"width", "depth"}:
        raise ValueError(
            "Invalid value for `axes`. Expected ('width',), ('depth',) or ('width', 'depth'). "
            f"Received: axes={axes!r}"
        )
    if not isinstance(min_groups, int) or not 1 <= min_groups <= num_groups:
        raise ValueError(
            f"Invalid value for `min_groups`. Expected an integer in [1, {num_groups}]. "
            f"Received: min_groups={min_groups!r}"
        )
    if channel_order not in (None, "l1"):
        raise ValueError(
            "Invalid value for `channel_order`. Expected None or 'l1'. "
            f"Received: channel_order={channel_order!r}"
        )


def check_graph(graph: Graph, model: keras.Model, skip: set[str]):
    if any(x.name == "utilization" for x in graph.inputs):
        raise ValueError(
            f"Model '{model.name}' has an input named 'utilization' already. Expected a model "
            "without a dial."
        )
    if unknown := skip - {call.name for call in graph.calls}:
        raise ValueError(
            f"Invalid value for `skip`. Expected names of layers of '{model.name}'. "
            f"Received: {sorted(unknown)}"
        )
