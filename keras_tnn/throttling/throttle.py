"""A trained Keras model becomes a throttled one with the same weights."""

from collections.abc import Callable, Collection, Mapping, Sequence

import keras

from keras_tnn.gates import Gate
from keras_tnn.quantities import check_count
from keras_tnn.surgery.calls import Graph
from keras_tnn.surgery.copies import check_not_quantized
from keras_tnn.surgery.graph import read_graph
from keras_tnn.surgery.shuffles import fold_shuffles
from keras_tnn.surgery.steps import open_steps
from keras_tnn.throttling.depth import residual_stages
from keras_tnn.throttling.gate_maker import GateMaker
from keras_tnn.throttling.gated_copy import GatedCopy
from keras_tnn.throttling.placer import Placer
from keras_tnn.throttling.places import decided_in_time, places_of
from keras_tnn.throttling.rows import rows_per_sample
from keras_tnn.throttling.same import check_same
from keras_tnn.throttling.width import Granularity, Width, plan_width
from keras_tnn.training import ThrottledModel
from keras_tnn.training.own_class import own_methods
from keras_tnn.training.throttled_task import throttled_as
from keras_tnn.utilization import has_dial


def throttle(
    model: keras.Model,
    num_groups: int = 8,
    axes: Sequence[str] = ("width", "depth"),
    *,
    skip: Collection[str] = (),
    min_groups: int = 1,
    channel_order: str | None = None,
    strict: bool = False,
    gate: Callable[..., Gate] | Mapping[str, Callable[..., Gate]] | None = None,
    granularity: Granularity | None = None,
    locked: bool = False,
    check: bool | None = None,
) -> ThrottledModel:
    """Gives a dial to a functional or sequential Keras model. The model is left as it is.

    The result holds copies of all layers with their trained weights (layers without variables,
    such as vocabularies, are the model's own), and gates that utilization
    opens one after another (nested, liu2022, 3.2.3). At u = 1 its outputs are the model's. Below,
    it needs training: fine-tune it with `AnnealedUtilization`, which draws u uniformly from
    [t, 1] with t falling from 1 (hostetler2019, 5.2 and A.3).

    Methods of `keras.Model` that the model's class has written anew, such as the `compute_loss` of
    a detector or the `fit` of a task with a preprocessor, are the result's, too, and those of its
    levels (`materialize`); it is an instance of that class.

    With `gate`, every family of tied channels and every block has a gate of its own, which may be
    learned (herrmann2019): fine-tune it with `BatchActivation`. A gate that is not learned opens a
    share of the blocks, which have one for all. Where a residual branch can be skipped as a whole,
    all of its groups may close.

    In width, the channels of every layer are gated in `num_groups` groups, and so are the heads of
    `MultiHeadAttention` and `GroupQueryAttention`; channels that are added up or multiplied share
    their group. In depth, the branches of residual blocks with an identity shortcut are gated as a
    whole, in the order of hostetler2019, 5.2. Model inputs and outputs stay whole, and so does
    what a layer of unknown kind reads.

    Args:
        model: built functional or sequential model; nested models and shared layers are followed.
        num_groups: Integer, the cardinality D. Layers with fewer channels stay whole; where D
            does not divide the channels or heads, group sizes differ by one. Of fewer heads than
            D each opens with the first of its groups; with `gate` they have a group each.
        axes: what to gate: "width", "depth" or both.
        skip: names of layers to leave alone: their channels stay whole, and blocks that hold
            them stay open.
        min_groups: Integer in [1, num_groups], groups of channels that are always open.
        channel_order: None opens channels in the order of the model, "l1" those first that the
            next layers weigh most (L1 norm of the weights that read them, as once-for-all sorts
            channels). Exact at u = 1 either way.
        strict: whether a layer of unknown kind raises an error rather than a warning.
        gate: None for nested gating by utilization; or a class of `keras_tnn.gates`, such as
            `DataIndependent`, or a function of `num_groups`, `min_groups` and `name` that makes a
            gate. It is handed what it says that it reads (`Gate.reads`). One that reads features
            sees what the layer reads that makes the channels; what several layers make together,
            such as a residual stream, then stays whole. Heads stay whole for any gate that reads
            the data. A gate for the whole network, `Blind` or `BudgetPolicy`, takes `always_open`
            in place of `min_groups`. One that is called for block after block, `Recurrent`,
            decides on blocks only. Or such a class or function for each axis, by its name; an
            axis that is not named has nested gates: `{"depth": Recurrent, "width": Convolutional}`
            is MGL2S (wang2019, Eq. 3), where a channel gate inside a closed block is not computed.
        granularity: channels a group, in place of `num_groups`: an integer, or integers by the
            name of a layer, whose other layers have `num_groups`. A head counts the channels of
            its values, and a group has one head at least. With `gate` only.
        check: whether the result is compared with the model, at u = 1 on random inputs. By
            default where that takes less than about a second: up to 100 layers with inputs of
            known size.
        locked: whether layers whose outputs have one shape and one number of groups share a gate
            (herrmann2019, S1.3). With a gate that does not depend on data only.

    Returns:
        `keras_tnn.ThrottledModel` on the model's inputs and on utilization, which may be left
        out. Not compiled.

    Raises:
        ValueError: if the model has no graph (subclassed, not built), has a dial already, has a
            `train_step` of its own or weights to train beside its graph, if the result is not
            the model at u = 1, if an argument is not valid, if `gate` cannot decide on what
            `axes` name, if `num_groups` is more than the channels of every layer that may be
            gated and no heads may be, if only "depth" is asked for and there is no residual
            block, or if `strict` and a layer is unknown.

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
    check_gate_arguments(gate, granularity, locked)
    makers = gate_makers(gate, axes)
    check_own_steps(model)
    graph = fold_shuffles(open_steps(read_graph(model)))
    check_graph(graph, model, skip, granularity)
    stages = residual_stages(graph, skip)
    blocks = [block for stage in stages for block in stage]
    skippable = {id(call) for block in blocks for call in block.calls}
    width, rows = Width([], {}, {}, {}), rows_per_sample(graph)
    if "width" in axes:
        width = plan_width(
            graph,
            num_groups,
            skip,
            channel_order,
            strict,
            granularity,
            keep=lambda makers: 0 if all(id(one) in skippable for one in makers) else min_groups,
            choose=lambda families: decided_in_time(families, blocks, makers["width"], rows),
            one_gate=makers["width"] is None,
        )
        if not width.most_groups and not (stages and "depth" in axes):
            raise ValueError(
                f"Model '{model.name}' has no channels that may close.{listed(width.whole)}\n"
                "Expected a layer between its inputs and its outputs whose channels nobody needs "
                "whole."
            )
        few = 0 < width.most_groups < num_groups and not any(one.heads for one in width.families)
        if few and not granularity:
            raise ValueError(
                f"Invalid value for `num_groups`. Expected at most {width.most_groups}, the most "
                f"channels of a layer of '{model.name}' that may be gated: those of inputs, of "
                "outputs, and of layers that need their inputs whole may not. "
                f"Received: num_groups={num_groups}"
            )
    stages = stages if "depth" in axes else []
    if not stages and not width.families:
        raise ValueError(
            f"Invalid value for `axes`. Model '{model.name}' has no residual block with an "
            "identity shortcut, or they are not among `axes`, and no channels that `gate` may "
            f"close. Expected 'width' among them. Received: axes={tuple(axes)}"
        )
    check_decides(gate, model, {"depth": stages, "width": width.families})
    places = places_of(width.families, stages, makers, locked, num_groups, min_groups)
    copy = GatedCopy(graph, model.name)
    copy.gate(width, stages, Placer(places, graph, copy.utilization, copy.unused))
    throttled = copy.build()
    if own_methods(model):
        throttled = throttled_as(model, throttled)
    if check or check is None and len(graph.calls) <= 100:
        check_same(model, throttled, graph.input_structure)
    return throttled


def listed(whole: Mapping[str, str], most: int = 10) -> str:
    """Why the channels of layers stay, layer by layer."""
    lines = [f"\n- channels of '{name}': {reason}" for name, reason in whole.items()]
    more = [f"\n- and {len(lines) - most} more layers"] if len(lines) > most else []
    return "".join([*lines[:most], *more])


def check_arguments(num_groups, axes, min_groups, channel_order):
    check_count(num_groups, "num_groups")
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


def gate_makers(gate, axes: Sequence[str]) -> dict[str, GateMaker | None]:
    """Who makes the gates of each axis; None for nested ones.

    Raises:
        ValueError: if `gate` names an axis that is not gated, or makes no gates.
    """
    if not isinstance(gate, Mapping):
        return dict.fromkeys(("width", "depth"), None if gate is None else GateMaker(gate))
    if not gate or not set(gate) <= set(axes):
        raise ValueError(
            f"Invalid value for `gate`. Expected gates for axes among {tuple(axes)}. "
            f"Received: gates for {tuple(gate)}"
        )
    makers = {id(one): GateMaker(one) for one in gate.values()}
    return {axis: makers.get(id(gate.get(axis))) for axis in ("width", "depth")}


def check_decides(gate, model: keras.Model, found: Mapping[str, list]):
    """Raises ValueError if a gate is given for an axis on which there is nothing to decide."""
    idle = [axis for axis in gate if not found[axis]] if isinstance(gate, Mapping) else []
    if idle:
        wanted = {
            "depth": "residual blocks with an identity shortcut",
            "width": "channels to close",
        }
        raise ValueError(
            f"Invalid value for `gate`. Model '{model.name}' has no {wanted[idle[0]]}. Expected no "
            f"gate for '{idle[0]}'. Received: gates for {tuple(gate)}"
        )


def check_gate_arguments(gate, granularity, locked):
    if gate is None and (granularity is not None or locked):
        raise ValueError(
            "Invalid value for `granularity` or `locked`. Expected them with `gate` only. "
            f"Received: granularity={granularity!r}, locked={locked!r}"
        )
    if granularity is None:
        return
    sizes = granularity.values() if isinstance(granularity, Mapping) else [granularity]
    if any(not isinstance(size, int) or isinstance(size, bool) or size < 1 for size in sizes):
        raise ValueError(
            "Invalid value for `granularity`. Expected a positive number of channels a group, or "
            f"such numbers by name of a layer. Received: granularity={granularity!r}"
        )


def check_own_steps(model: keras.Model):
    """Raises ValueError if a model's class runs training steps of its own."""
    if "train_step" in own_methods(model):
        raise ValueError(
            f"Model '{model.name}' ({type(model).__name__}) has a `train_step` of its own. What it "
            "trains is not known to draw utilization. Expected the step of keras.Model, which "
            "calls `compute_loss`: write the class's loss there, or throttle "
            "keras.Model(model.input, model.output)."
        )


def check_graph(graph: Graph, model: keras.Model, skip: set[str], granularity):
    if has_dial(graph):
        raise ValueError(
            f"Model '{model.name}' has an input named 'utilization' already. Expected a model "
            "without a dial."
        )
    for call in graph.calls:
        check_not_quantized(call.operation)
    check_names("skip", skip, graph, model)
    if isinstance(granularity, Mapping):
        check_names("granularity", set(granularity), graph, model)


def check_names(argument: str, names: set[str], graph: Graph, model: keras.Model):
    if unknown := names - {name for call in graph.calls for name in call.names}:
        raise ValueError(
            f"Invalid value for `{argument}`. Expected names of layers of '{model.name}'. "
            f"Received: {sorted(unknown)}"
        )
