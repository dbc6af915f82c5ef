"""The table as a value: text, area, refusals. No network is needed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_tnn.analysis import LevelRow, LevelTable


def table(accuracies, vanilla=None, levels=(0.25, 0.5, 1.0), energies=(None, None, None)):
    vanilla = vanilla or [None] * len(accuracies)
    return LevelTable(
        tuple(
            LevelRow(
                utilization=u,
                open_groups=int(8 * u),
                total_groups=8,
                macs=int(4_000_000 * u * u),
                parameters=int(2000 * u),
                metrics={"loss": 1 - a, "accuracy": a},
                vanilla_metrics=None if b is None else {"loss": 1 - b, "accuracy": b},
                energy=joules,
            )
            for u, a, b, joules in zip(levels, accuracies, vanilla, energies, strict=False)
        )
    )


HEAD = "   u  real u  groups      MACs  parameters    energy  accuracy    loss"


def test_text_is_aligned():
    energies = (2e-6, 3.5e-5, 1.2e-3)
    text = str(table([0.5, 0.75, 0.875], vanilla=[0.1, 0.2, 0.9], energies=energies))
    assert text.splitlines() == [
        f"{HEAD}  vanilla accuracy  vanilla loss",
        "0.25    0.25     2/8  250.00 k         500   2.00 µJ    0.5000  0.5000"
        "            0.1000        0.9000",
        " 0.5     0.5     4/8    1.00 M      1.00 k  35.00 µJ    0.7500  0.2500"
        "            0.2000        0.8000",
        "   1       1     8/8    4.00 M      2.00 k   1.20 mJ    0.8750  0.1250"
        "            0.9000        0.1000",
    ]


def test_text_without_vanilla_and_energy():
    header = str(table([0.5, 0.75, 0.875])).splitlines()[0]
    names = ["u", "real u", "groups", "MACs", "parameters", "accuracy", "loss"]
    assert re.split(" {2,}", header.strip()) == names


def test_real_utilization_is_what_runs():
    row = table([0.5], levels=(0.3,)).rows[0]
    assert (row.utilization, row.open_groups, row.total_groups) == (0.3, 2, 8)
    assert row.real_utilization == 0.25
    assert str(LevelTable((row,))).splitlines()[1].split()[:3] == ["0.3", "0.25", "2/8"]


def test_nothing_is_gated():
    assert LevelRow(0.5, 0, 0, 1, 1, {}).real_utilization == 1.0


def test_area_by_hand():
    levels = table([0.5, 0.75, 0.875], vanilla=[0.0, 0.5, 1.0])
    expected = (0.25 * (0.5 + 0.75) / 2 + 0.5 * (0.75 + 0.875) / 2) / (1.0 - 0.25)
    assert levels.area_under_curve("accuracy") == pytest.approx(expected)
    expected = (0.25 * (0.0 + 0.5) / 2 + 0.5 * (0.5 + 1.0) / 2) / (1.0 - 0.25)
    assert levels.area_under_curve("accuracy", vanilla=True) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_area_lies_between_the_extremes(accuracies):
    area = table(accuracies).area_under_curve("accuracy")
    slack = 1e-12  # rounding of a few float64 sums
    assert min(accuracies) - slack <= area <= max(accuracies) + slack


def test_area_needs_two_levels():
    with pytest.raises(ValueError, match=r"needs two levels or more. Received: levels=\[0.5\]"):
        table([0.5], levels=(0.5,)).area_under_curve("accuracy")


def test_unknown_metric():
    with pytest.raises(ValueError, match=r"Expected one of \['accuracy', 'loss'\]"):
        table([0.5, 0.6, 0.7]).area_under_curve("precision")


def test_no_vanilla_network():
    with pytest.raises(ValueError, match="no vanilla network was evaluated"):
        table([0.5, 0.6, 0.7]).values("accuracy", vanilla=True)
