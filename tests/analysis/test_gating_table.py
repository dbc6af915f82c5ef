"""The gating table as a value: text and refusals. No network is needed."""

import pytest

from keras_tnn.analysis import GatingRow, GatingTable
from keras_tnn.gates import AlwaysOn, Ensemble, Stochastic, Threshold

DRAWN = {"loss": 0.01, "accuracy": 0.0009, "share": 0.1, "activation_rate": 0.1}


def row(gating, macs, accuracy, deviations=None):
    metrics = {"loss": 1 - accuracy, "accuracy": accuracy}
    share = None if macs is None else macs / 4e6
    return GatingRow(gating, macs, share, 0.5, 0.875, metrics, deviations)


def test_text_is_aligned_at_the_means():
    table = GatingTable(
        (
            row(Threshold(0.5), 2e6, 0.75),
            row(Stochastic(), 2.5e6, 0.5, DRAWN),
            row(AlwaysOn(), 4e6, 0.25),
            row(Ensemble(5), 12.5e6, 0.875),
        )
    )
    assert str(table).splitlines() == [
        "gates             MACs  share  activation  polarization  accuracy             loss",
        "threshold 0.5   2.00 M  0.500       0.500         0.875    0.7500           0.2500",
        "stochastic      2.50 M  0.625       0.500         0.875    0.5000 ± 0.0009  0.5000"
        " ± 0.0100",
        "always on       4.00 M  1.000       0.500         0.875    0.2500           0.7500",
        "ensemble of 5  12.50 M  3.125       0.500         0.875    0.8750           0.1250",
    ]


def test_text_without_macs_says_why_once():
    table = GatingTable((row(Threshold(0.5), None, 0.75), row(AlwaysOn(), None, 0.5)), "too odd")
    assert str(table).splitlines() == [
        "gates          MACs  share  activation  polarization  accuracy    loss",
        "threshold 0.5     -      -       0.500         0.875    0.7500  0.2500",
        "always on         -      -       0.500         0.875    0.5000  0.5000",
        "MACs: too odd",
    ]


def test_values_of_a_metric():
    table = GatingTable((row(Threshold(0.5), 1.0, 0.75), row(AlwaysOn(), 1.0, 0.5)))
    assert table.metric_names == ("accuracy", "loss")
    assert table.values("accuracy") == [0.75, 0.5]
    with pytest.raises(ValueError, match=r"Expected one of \['accuracy', 'loss'\].*'mae'"):
        table.values("mae")
