"""Draws a table that `keras-tnn evaluate` saved: a metric against all that it costs.

TABLE is the .csv or .json file. FIGURE is an image file, whose ending says the format: .png, .svg,
.pdf. Needs matplotlib.

    keras-tnn plot levels.csv levels.png --metric=accuracy
"""

from collections.abc import Sequence

from absl import flags

from tnn_tflite.command.arguments import Arguments
from tnn_tflite.result_table import read_columns


def main(argv: Sequence[str]) -> None:
    arguments = Arguments("keras-tnn plot TABLE FIGURE [FLAGS]", __doc__)
    values = arguments.flags
    flags.DEFINE_string("metric", "accuracy", "the column to draw", flag_values=values)
    flags.DEFINE_list("against", None, "utilization, macs, milliseconds, bytes", flag_values=values)
    flags.DEFINE_string(
        "baseline",
        None,
        "table of the same metric with each size trained alone",
        flag_values=values,
    )
    flags.DEFINE_string("data", None, "name of the data set, for the title", flag_values=values)
    found = arguments.parse(argv)
    if found is None:
        return
    table, figure = found
    columns, baseline = read_columns(table), None
    if values.baseline:
        alone = read_columns(values.baseline)
        baseline = dict(zip(alone["utilization"], alone[values.metric], strict=True))

    from keras_tnn.analysis import level_figure

    level_figure(
        columns, values.metric, figure, against=values.against, baseline=baseline, data=values.data
    )
    print(f"wrote {figure}")
