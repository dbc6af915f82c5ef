"""Gives a saved functional or sequential Keras model a dial, with its trained weights.

MODEL and OUT are .keras files. At u = 1 the result is the model; below it needs training:
tnn.callbacks.SandwichRule in `fit`. It is compiled as the model was.

    keras-tnn throttle net.keras dial.keras --num_groups=8 --channel_order=l1
"""

from collections.abc import Sequence

from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.conversion.model_file import load_model

AXES = ("width", "depth")


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn throttle MODEL OUT [FLAGS]", __doc__)
    _define_flags(arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return
    path, out = found
    if not out.endswith(".keras"):
        raise ValueError(f"Expected OUT to end with .keras. Received: '{out}'")
    asked = arguments.flags
    model = load_model(path)

    import keras_tnn

    throttled = keras_tnn.throttle(
        model,
        asked.num_groups,
        asked.axes,
        skip=asked.skip,
        min_groups=asked.min_groups,
        channel_order=asked.channel_order,
    )
    if model.compiled:
        throttled.compile_from_config(model.get_compile_config())
    throttled.save(out)
    macs = [keras_tnn.count_macs(throttled, u) for u in (0.5, 1.0)]
    print(
        f"wrote {out}: {macs[0]:,} MACs at u=0.5, {macs[1]:,} at u=1; levels below 1 need training"
    )


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "num_groups",
        8,
        "groups of channels that open one by one",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_list("axes", ",".join(AXES), "what is gated", flag_values=values)
    flags.DEFINE_list("skip", "", "names of layers to leave alone", flag_values=values)
    flags.DEFINE_integer(
        "min_groups", 1, "groups that are always open", lower_bound=1, flag_values=values
    )
    flags.DEFINE_enum(
        "channel_order",
        None,
        ["l1"],
        "l1 opens first what the next layers weigh most",
        flag_values=values,
    )
