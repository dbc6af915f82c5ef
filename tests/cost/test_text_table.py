"""Numbers with units, in columns."""

import pytest

from keras_tnn.cost.text_table import aligned, with_unit


@pytest.mark.parametrize(
    "value, unit, text",
    [
        (0, "", "0"),
        (999, "", "999"),
        (1000, "", "1.00 k"),
        (2_654_208_000, "", "2.65 G"),
        (999, "B", "999 B"),
        (1_500_000, "B", "1.50 MB"),
        (0.0, "J", "0 J"),
        (0.0123, "J", "12.30 mJ"),
        (3.4e-9, "J", "3.40 nJ"),
        (7e-14, "J", "7e-14 J"),
        (2.5, "J", "2.50 J"),
        (2500.0, "J", "2.50 kJ"),
    ],
)
def test_prefix_suits_the_size(value, unit, text):
    assert with_unit(value, unit) == text


def test_columns():
    assert aligned([["a", "b"], ["ccc", "1"]], left=1) == "a    b\nccc  1"
    assert aligned([["a", "b"], ["ccc", "10"]]) == "  a   b\nccc  10"
