"""Writes a saved throttled model as a bundle: its levels for TFLite and a manifest.

MODEL is a .keras file. BUNDLE is a new or empty folder, or an older bundle, which is replaced.
Networks with batch normalization need --calibration, about a thousand training inputs, or the
levels lose accuracy; but not where every sample drew its own utilization in training. Integers need
--representative, a few hundred; it may be the same file.

    keras-tnn convert net.keras bundle --levels=0.25,0.5,1 --calibration=train.npz
    keras-tnn convert net.keras bundle --quantization=int8 --representative=train.npz
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tnn_tflite.bundle.description import LAYOUTS
from tnn_tflite.command.arguments import Arguments
from tnn_tflite.command.sample_file import read_array
from tnn_tflite.command.utilizations import utilizations
from tnn_tflite.conversion.converter import LEVELS, convert
from tnn_tflite.conversion.model_file import load_model


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn convert MODEL BUNDLE [FLAGS]", __doc__)
    _define_flags(arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return
    model, directory = found
    asked = arguments.flags
    # The default is one object, by which `convert` tells that nobody asked for levels.
    levels = utilizations(asked.levels, "levels") if asked["levels"].present else LEVELS
    bundle = convert(
        load_model(model),
        directory,
        levels,
        calibration_data=read_array(asked.calibration, asked.key),
        quantization=asked.quantization,
        representative_data=read_array(asked.representative, asked.key),
        inference_type=asked.inference_type,
        layout=asked.layout,
        labels=asked.labels and Path(asked.labels).read_text(encoding="utf-8").splitlines(),
        controller=asked.controller and load_model(asked.controller),
        exits=asked.exits,
    )
    if bundle.segments:
        levels = len(bundle.chains)
        of_levels = f", {levels} levels with as many exits each," * (levels > 1)
        print(f"wrote {len(bundle.segments)} segments{of_levels} to {directory}")
        return
    and_controller = " and a controller" * (bundle.controller is not None)
    print(f"wrote {len(bundle.levels)} levels{and_controller} to {directory}")


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_list(
        "levels",
        ",".join(map(str, LEVELS)),
        "utilizations in (0, 1], rising",
        flag_values=values,
    )
    flags.DEFINE_string(
        "calibration", None, ".npy or .npz file with training inputs", flag_values=values
    )
    flags.DEFINE_string(
        "quantization", None, "float16, dynamic, int8, int16x8 or qat", flag_values=values
    )
    flags.DEFINE_string(
        "representative",
        None,
        ".npy or .npz file with inputs, for int8, int16x8 and qat",
        flag_values=values,
    )
    flags.DEFINE_string(
        "inference_type",
        "float32",
        "type of inputs and outputs: float32, int8, uint8, int16",
        flag_values=values,
    )
    flags.DEFINE_string(
        "controller", None, ".keras file of a model that chooses the level", flag_values=values
    )
    flags.DEFINE_bool(
        "exits",
        None,
        "whether the outputs are exits, shipped as segments; if not given, as the model says",
        flag_values=values,
    )
    flags.DEFINE_string(
        "labels", None, "text file with the name of a class in each line", flag_values=values
    )
    flags.DEFINE_string("layout", LAYOUTS[0], " or ".join(LAYOUTS), flag_values=values)
    flags.DEFINE_string(
        "key", "x", "array of the .npz files that holds the inputs", flag_values=values
    )
