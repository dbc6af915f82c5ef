"""The table of budgets: what it counts is what the model does."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn.analysis import BudgetRow, BudgetTable, evaluate_budgets
from keras_tnn.gates import BudgetPolicy

X = np.random.default_rng(0).normal(size=(40, 8, 8, 3)).astype("float32")
Y = np.arange(40) % 4


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, axis="depth", gate=BudgetPolicy)
    model.gates[0].actor.kernel.assign(8 * model.gates[0].actor.kernel)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    tnn.training.calibrate_budgets(model, X, "gates")
    return model


def test_rows_are_what_the_policy_opens(model):
    share = tnn.losses.MacsShare(model)
    table = evaluate_budgets(model, X, Y, (0.25, 0.75), batch_size=16)
    for row in table.rows:
        opened = keras.ops.convert_to_numpy(model.gates[0](row.budget, image=X))
        assert row.usage == pytest.approx(opened.mean())
        assert row.policies == len({tuple(one) for one in opened.tolist()}) > 1
        costs = [
            tnn.count_macs(tnn.materialize(model, gates={"open_blocks": one})) for one in opened
        ]
        macs = np.array(costs) + share.cost.gates.whole  # the policy's own
        assert row.macs == pytest.approx(macs.mean(), rel=1e-5)
        assert row.largest_share == pytest.approx(macs.max() / share.cost.ungated, rel=1e-5)
        expected = model.evaluate(X, Y, verbose=0, return_dict=True, utilization=row.budget)
        assert row.metrics == {name: expected[name] for name in ("accuracy", "loss")}
        assert row.milliseconds is None


def test_datasets_and_times(model):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    one, other = (
        evaluate_budgets(model, data, budgets=(0.5,)),
        evaluate_budgets(model, X, Y, (0.5,)),
    )
    assert one.rows[0].macs == other.rows[0].macs
    assert one.values("accuracy") == other.values("accuracy")
    assert evaluate_budgets(model, X, Y, (0.5,), timed=3).rows[0].milliseconds > 0


@pytest.mark.parametrize("budgets", [(0.0, 0.5), (0.5, 1.2), (0.5, float("nan")), ()])
def test_refuses_budgets(model, budgets):
    with pytest.raises(ValueError, match="Invalid value for `budgets`"):
        evaluate_budgets(model, X, Y, budgets)


def test_refuses_other_models():
    model = tnn.models.ResNet((8, 8, 3), 4, depth=8, num_groups=4)
    with pytest.raises(ValueError, match="Expected a keras_tnn.ThrottledModel with one gate"):
        evaluate_budgets(model, X, Y)


def table(milliseconds=(None, None)):
    return BudgetTable(
        tuple(
            BudgetRow(c, c, c * 1e6, c, c, 3, {"loss": 1.0, "accuracy": c}, ms)
            for c, ms in zip((0.5, 1.0), milliseconds, strict=True)
        )
    )


def test_text():
    assert str(table()).splitlines() == [
        "budget  usage      MACs  share  largest  policies  accuracy    loss",
        "   0.5  0.500  500.00 k  0.500    0.500         3    0.5000  1.0000",
        "     1  1.000    1.00 M  1.000    1.000         3    1.0000  1.0000",
    ]
    assert "  policies     ms  accuracy" in str(table((0.5, 1.25)))


def test_figure(tmp_path):
    pytest.importorskip("matplotlib")
    figure = table((0.5, 1.25)).plot(tmp_path / "budgets.png")
    assert (tmp_path / "budgets.png").exists()
    charts, lines = figure.axes[:4], figure.axes[4:]
    assert [one.get_ylabel() for one in charts][::3] == ["open components", "inference time, ms"]
    assert all(one.lines[0].get_ydata().tolist() == [0.5, 1.0] for one in lines)
