"""From a trained throttled network to a bundle: one plain, small `.tflite` file a level.

Keras and TensorFlow are imported when a function runs, so that devices never load them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tnn_tflite.bundle.description import OF_LEVELS, PATTERNS, Bundle, Preprocessing
from tnn_tflite.bundle.labels import Labels
from tnn_tflite.bundle.pattern_writer import write_patterns
from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.writer import check_destination, check_layout, peek, write_bundle
from tnn_tflite.conversion.assemble import assemble
from tnn_tflite.conversion.controller import check_kind, controller_content
from tnn_tflite.conversion.converted_level import ConvertedLevel, program_fields
from tnn_tflite.conversion.keras_to_tflite import CONVERTER, tflite_file
from tnn_tflite.conversion.patterns import check_policy, pattern_content
from tnn_tflite.conversion.pictures import known_inputs, preprocessing_of
from tnn_tflite.conversion.segments import (
    check_alone,
    convert_segments,
    exits_alone,
    has_exits,
)
from tnn_tflite.progress import clear_line, with_bar
from tnn_tflite.quantization.aware_training import AwareTraining
from tnn_tflite.quantization.input_means import input_means
from tnn_tflite.quantization.plan import FLOAT, Plan, check_mode, plan_for
from tnn_tflite.sharing.kernels import Kernel

if TYPE_CHECKING:
    import keras

    from keras_tnn.surgery import Cut, Slice

LEVELS = (0.25, 0.5, 0.75, 1.0)


def convert(
    model: keras.Model | Mapping[float, keras.Model],
    directory: str | os.PathLike,
    levels: Sequence[float] = LEVELS,
    *,
    calibration_data: Any = None,
    threshold: float = 0.5,
    quantization: str | AwareTraining | None = None,
    representative_data: Any = None,
    inference_type: str = "float32",
    layout: str = "files",
    labels: Labels | None = None,
    preprocessing: Preprocessing | Mapping[str, Preprocessing] | None = None,
    controller: keras.Model | None = None,
    exits: bool | None = None,
    accuracies: Mapping[tuple[float, str], float] | None = None,
    verbose: bool = True,
) -> Bundle:
    """Writes a throttled model as a bundle that `tnn_tflite.Dispatcher` runs.

    Each level is cut out of the model with `keras_tnn.materialize`: a plain network that holds
    only what is active. It becomes one `.tflite` file, in float32 or quantized. TensorFlow's
    converter runs in a process of its own, so its crash is an error like others. The bundle
    appears when it is complete: an error or a crash on the way leaves an older bundle in place.

    A model whose gates read the data decides for each sample, and its file skips what is closed
    (`keras_tnn.surgery.conditional`). It has one level, (1.0,), unless its gates read u,
    too, as a `BudgetPolicy` does: then each level is the network at one budget.

    Args:
        model: A throttled model, for example `keras_tnn.models.VGG(...)`. Or levels that are
            cut already, rising: plain Keras models by their utilization, for example one for
            each target that a network was pruned to.
        directory: Where the bundle shall stand. A new or empty folder, or an older bundle,
            which is replaced.
        levels: Utilizations in (0, 1], rising. Not for a mapping, which has them. Where no gate
            reads u, by default the only one there is.
        calibration_data: About a thousand training inputs, by which the batch-norm statistics
            of each level are estimated anew: an array, a list or dictionary of arrays, or a
            dataset of batches. Levels need it unless every sample drew its own utilization in
            training, see `keras_tnn.surgery.recalibrate`. Not for a mapping, whose models are
            calibrated when they are cut.
        threshold: In (0, 1), for learned gates: open where their probability is above it.
        quantization: None for float32. `"float16"` and `"dynamic"` store weights smaller (int8 for
            the latter). `"int8"` and `"int16x8"` compute in integers, with activations in int8
            or int16; in int8, biases take back the mean shift of rounded weights. `"qat"` is
            int8 after a short training of each level with rounding; it needs
            tensorflow-model-optimization. `quantization.AwareTraining` sets its epochs.
        representative_data: For the last three: a few hundred training inputs, in the kinds of
            `calibration_data`. 256 of them, evenly taken, set the ranges of each level's
            activations (for `"qat"` 2,048, on which it trains).
        inference_type: Element type of inputs and outputs in the last three modes: `"float32"`,
            where the file rounds them itself; `"int8"` or `"uint8"`, for `"int16x8"` `"int16"`,
            where the caller does, by `Level.input_quantization` and `output_quantization`.
        layout: `"files"`: one file a level. `"single"`: one file that the dispatcher cuts levels
            from. `"signatures"`: one file with a signature a level. `"patterns"`: for a model with
            a `BudgetPolicy`, the policy and the network in a file each, for any budget; `levels`
            are then the budgets whose mean MACs over the data the bundle names (without data those
            of all components), and with `calibration_data` they share the statistics.
        labels: A name for each class, stored in the bundle; a mapping by the name of the output
            where there are several. `Dispatcher.labels` has them on the device.
        preprocessing: How a picture becomes an input, by name where several take pictures. With
            it `keras-tnn run` takes picture files and `Dispatcher` pixels. None finds out: the
            data above tell it if they lie in [0, 1] or in [0, 255], else, without data, a
            `Rescaling` or `Normalization` that the model begins with.
        controller: A Keras model that chooses the level on the device: it reads what the network
            reads and gives a number for each of the levels, probabilities or logits, of which the
            largest decides. Or it gives `{"choice": ..., "answer": ...}`, where the answer is that
            of the lowest level, which it holds. It is quantized as the levels are, in int8
            for `"qat"`. `replace_controller` puts another in its place later.
        exits: Whether the outputs are exits in order of depth, all of one shape: the bundle then
            has a segment from each exit to the next in the place of levels, and
            `Dispatcher.anytime` stops where time or certainty says. A throttled network has these
            segments at each of its levels. Gates at the exits do not ship. None: if the model has
            `exit_names`.
        accuracies: Of a network with exits at several levels, the share of held-out samples for
            which each exit is right, in [0, 1], by `(utilization, exit)`; `evaluate_exits` has
            them. By them a device chooses the best of these points within a time budget.
        verbose: Whether to print a line for each level.

    Returns:
        The description of the bundle.

    Raises:
        BundleError: If `directory` holds something else than a bundle.
        ChildError: If TensorFlow's converter crashed; a `RuntimeError`. It shows the log.
        ValueError: If another argument is not valid, if the model has no throttled layer, if a
            model whose gates do not depend on utilization is asked for several levels, or if
            TFLite cannot run one of its layers.

    Warns:
        UserWarning: If the cost of the levels falls as u rises.

    Example:

    ```python
    tnn_tflite.convert(model, "bundle", levels=(0.25, 0.5, 1.0), calibration_data=x_train[:1000])
    tnn_tflite.convert({0.5: pruned, 1.0: whole}, "bundle")
    tnn_tflite.convert(model, "bundle", quantization="int8", representative_data=x_train[:500])
    ```
    """
    check_destination(directory)
    check_layout(layout)
    check_mode(quantization, representative_data is not None, inference_type)
    if controller is not None:
        check_kind(controller, inference_type)
    if has_exits(model, exits):
        check_alone(model, controller, layout, quantization)
        networks = _with_exits(model, levels, calibration_data, threshold)
        first = next(iter(networks.values()))
        plan = plan_for(
            quantization, representative_data, inference_type, first, quantization == "int8"
        )
        names = getattr(model, "exit_names", None)
        pictures = preprocessing_of(first, preprocessing, known_inputs(plan, calibration_data))
        return convert_segments(
            networks, names, directory, plan, labels, pictures, verbose, accuracies
        )
    if accuracies is not None:
        raise ValueError(
            "Invalid value for `accuracies`. Expected None for a network without exits. "
            f"Received: accuracies={accuracies!r}"
        )
    _check_sharing(layout, quantization)
    if layout == PATTERNS:
        budgets = check_policy(model, levels, controller, inference_type)
        plan = plan_for(quantization, representative_data, inference_type, model)
        content = pattern_content(
            model,
            budgets,
            plan,
            calibration_data=calibration_data,
            threshold=threshold,
            verbose=verbose,
        )
        pictures = preprocessing_of(model, preprocessing, known_inputs(plan, calibration_data))
        return write_patterns(directory, content, labels, pictures)
    levels, make = levels_of(model, levels, calibration_data, threshold)
    first = next(iter(model.values())) if isinstance(model, Mapping) else model
    # By it the weights of all levels are put on one grid, the same in every layout.
    keep_float = quantization == "int8" or layout != "files"
    plan = plan_for(quantization, representative_data, inference_type, first, keep_float)
    pictures = preprocessing_of(first, preprocessing, known_inputs(plan, calibration_data))
    CONVERTER.start()
    converted = _converted(levels, make, plan, verbose)
    program = None
    if controller is not None:  # it fits to the first level, or the others need not be made
        low, converted = peek(converted)
        program = controller_content(controller, low, len(levels), plan)
    bundle = write_levels(directory, converted, layout, labels, program, pictures)

    from keras_tnn.cost.rising import warn_of_falling_costs

    warn_of_falling_costs(levels, [level.macs for level in bundle.levels])
    return bundle


def write_levels(
    directory: str | os.PathLike,
    levels: Iterable[ConvertedLevel],
    layout: str = "files",
    labels: Labels | None = None,
    controller: ProgramContent | None = None,
    preprocessing: Mapping[str, Preprocessing] | None = None,
) -> Bundle:
    """Puts converted levels together and writes them; the arguments are those of `write_bundle`."""
    check_layout(layout, OF_LEVELS)
    contents, shared = assemble(levels, layout)
    return write_bundle(directory, contents, layout, shared, labels, controller, preprocessing)


def levels_of(
    model: keras.Model | Mapping[float, keras.Model],
    levels: Sequence[float],
    calibration_data: Any,
    threshold: float,
) -> tuple[tuple[float, ...], Callable[[float], Cut]]:
    """The levels that `convert` makes of its arguments, and what makes the plain network of each.

    Args:
        model, levels, calibration_data, threshold: As for `convert`.

    Returns:
        The utilizations, and a function that takes one of them and returns the plain model, with
        what is known of its slices.

    Raises:
        ValueError: If an argument is not valid.
    """
    from keras_tnn.surgery import Cut

    if isinstance(model, Mapping):
        _check_mapping(model, levels, calibration_data)
        return tuple(model), lambda u: Cut(model[u], [])
    return _levels_of(model, levels, calibration_data, threshold)


def _levels_of(
    model: keras.Model, levels: Sequence[float], calibration_data: Any, threshold: float
) -> tuple[tuple[float, ...], Callable[[float], Cut]]:
    """The levels of a throttled model, and what makes the plain network of each."""
    import keras_tnn
    from keras_tnn.surgery import Cut
    from keras_tnn.training.statistics import warn_without_calibration
    from keras_tnn.utilization import check_levels

    _check_model(model)
    gates = keras_tnn.surgery.gates_of(model)
    reads_data = any(gate.data_dependent for gate in gates)
    has_one_level = gates and not any("utilization" in gate.reads for gate in gates)
    if has_one_level and levels is LEVELS:
        levels = (1.0,)
    levels = check_levels(levels)
    _check_calibration_data(calibration_data, len(levels))
    if has_one_level:
        _check_one_level(model, levels, reads_data)
    if reads_data:

        def conditional(utilization: float) -> Cut:
            small = keras_tnn.surgery.conditional(
                model, threshold, calibration_data, utilization=utilization
            )
            return Cut(small, [])

        return levels, conditional
    if calibration_data is None:
        warn_without_calibration(model, stacklevel=5)

    def static(utilization: float) -> Cut:
        return keras_tnn.surgery.cut_out(model, utilization, calibration_data, threshold=threshold)

    return levels, static


def _with_exits(
    model: keras.Model, levels: Sequence[float], calibration_data: Any, threshold: float
) -> dict[float | None, keras.Model]:
    """The plain networks that a network with exits is at its levels; of only one level by None."""
    import keras_tnn
    from keras_tnn.utilization import has_dial

    _check_model(model)
    if not has_dial(model) and not keras_tnn.surgery.gates_of(model):
        if levels is not LEVELS and tuple(levels) != (1.0,):
            raise ValueError(
                "Invalid value for `levels`. Expected none for a plain network with exits. "
                f"Received: levels={levels!r}"
            )
        return {None: exits_alone(model, model)}
    levels, make = levels_of(model, levels, calibration_data, threshold)
    return {u if len(levels) > 1 else None: exits_alone(make(u).model, model) for u in levels}


def _converted(
    levels: Sequence[float], make: Callable[[float], Cut], plan: Plan, verbose: bool
) -> Iterator[ConvertedLevel]:
    bar = with_bar(levels, "levels", None if verbose else False, wait=0)
    for number, utilization in enumerate(bar, start=1):
        start = time.perf_counter()
        level = make(utilization)
        content = level_content(level.model, float(utilization), plan, level.slices)
        if verbose:
            clear_line()
            print(_progress(content, f"{number}/{len(levels)}", time.perf_counter() - start))
        yield content


def level_content(
    small: keras.Model, utilization: float, plan: Plan = FLOAT, slices: Sequence[Slice] = ()
) -> ConvertedLevel:
    """Converts the plain network of one level.

    Args:
        small: A plain Keras model without a utilization input.
        utilization: The utilization it serves, in (0, 1].
        plan: How it is quantized.
        slices: What fills its weights, where that is known.

    Returns:
        The level, ready for `assemble`.
    """
    file = tflite_file(small, plan, f"level u={utilization:g} of '{small.name}'")
    means = {}
    if plan.mode == "int8" and file.float_content:
        names = [spec.name for spec in file.inputs]
        means = input_means(file.float_content, dict(zip(names, plan.samples, strict=True)))
    return ConvertedLevel(
        **program_fields(small, file),
        utilization=utilization,
        float_content=file.float_content,
        means=means,
        kernels=tuple(_kernels(small, slices)),
    )


def _kernels(small: keras.Model, slices: Sequence[Slice]) -> Iterator[Kernel]:
    """The weights of rank 2 and more, with what surgery kept of each."""
    slice_of = {id(one.target): one for one in slices}
    for weight, values in zip(small.weights, small.get_weights(), strict=True):
        if values.ndim >= 2:
            known = slice_of.get(id(weight))
            yield Kernel(values, known.origin, known.kept) if known else Kernel(values)


def _progress(level: ConvertedLevel, count: str, seconds: float) -> str:
    return (
        f"{count}  u={level.utilization:g}: {level.macs:,} MACs, {level.parameters:,} parameters, "
        f"{len(level.content):,} bytes ({seconds:.1f} s)"
    )


def _check_model(model: keras.Model) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise ValueError(
            "Invalid value for `model`. Expected a keras.Model; load a saved one with "
            f"tnn_tflite.load_model. Received: {type(model).__name__}"
        )


def _check_mapping(
    models: Mapping[float, keras.Model], levels: Sequence[float], calibration_data: Any
) -> None:
    from keras_tnn.utilization import check_levels, has_dial

    check_levels(tuple(models), name="model")
    for model in models.values():
        _check_model(model)
        if has_dial(model):
            raise ValueError(
                "Invalid value for `model`. Expected a mapping from utilizations to plain models, "
                f"as `keras_tnn.materialize` makes them. Received: {model.name!r}, which has a "
                "utilization input"
            )
    if levels is not LEVELS or calibration_data is not None:
        raise ValueError(
            "Invalid value for `levels` or `calibration_data`. A mapping has its levels, and its "
            "models are calibrated when they are cut. Expected neither. Received: "
            f"levels={levels!r}, calibration_data={type(calibration_data).__name__}"
        )


def _check_sharing(layout: str, quantization: str | AwareTraining | None) -> None:
    if layout != "files" and (quantization == "qat" or isinstance(quantization, AwareTraining)):
        raise ValueError(
            "Invalid value for `layout`. Expected 'files' for quantization='qat', which trains "
            "weights of its own for each level, so that levels have none to share. Received: "
            f"layout={layout!r}"
        )


def _check_one_level(model: keras.Model, levels: Sequence[float], reads_data: bool) -> None:
    """Raises `ValueError` for other levels of gates that do not read u than the one they have."""
    if reads_data and levels != (1.0,):
        raise ValueError(
            f"Invalid value for `levels`. The gates of model '{model.name}' read the data: it "
            "decides for each sample, so it has no static levels. Expected levels=(1.0,). For "
            "several, convert a mapping of models made with several thresholds: {0.5: "
            "keras_tnn.surgery.conditional(model, 0.8), 1.0: ...(model, 0.5)}. "
            f"Received: levels={levels!r}"
        )
    if len(levels) > 1:
        raise ValueError(
            f"Invalid value for `levels`. No gate of model '{model.name}' depends on utilization, "
            "so all levels would be alike. Expected one level. For several, convert a mapping of "
            "models pruned with several targets or thresholds: {0.5: "
            "keras_tnn.materialize(model, threshold=0.8), 1.0: ...}. "
            f"Received: levels={levels!r}"
        )


def _check_calibration_data(calibration_data: Any, num_levels: int) -> None:
    if isinstance(calibration_data, Iterator) and num_levels > 1:
        raise ValueError(
            "Invalid value for `calibration_data`. Expected data that can be read once for each "
            "level, such as an array or a dataset. Received: "
            f"{type(calibration_data).__name__}, which can be read once only"
        )
