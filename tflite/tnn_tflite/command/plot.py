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
    flags.DEFINE_string("metric", "accuracy", "the column to draw", flag_values=arguments.flags)
    found = arguments.parse(argv)
    if found is None:
        return
    table, figure = found
    columns = read_columns(table)

    from keras_tnn.analysis.level_figure import draw_columns

    draw_columns(columns, arguments.flags.metric).savefig(figure)
    print(f"wrote {figure}")
