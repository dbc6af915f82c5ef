"""One label trains all exits; their losses are added up; distillation; saving."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from networks import chain_with_exits, compiled, dialled, samples

LOSSES = ("exit1_loss", "exit2_loss", "classes_loss")


def logs_of(model, **arguments) -> dict:
    x, y = samples()
    return model.evaluate(x, y, verbose=0, return_dict=True, **arguments)


def test_losses_are_added_up():
    logs = logs_of(compiled(chain_with_exits()))
    np.testing.assert_allclose(logs["loss"], sum(logs[name] for name in LOSSES), rtol=1e-5)
    assert {"exit1_accuracy", "exit2_accuracy", "classes_accuracy"} < {*logs}


ONE = "sparse_categorical_crossentropy"
BY_NAME = {"exit1": 0.5, "exit2": 2.0, "classes": 1.0}


@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        (ONE, [0.5, 2.0, 1.0]),
        (ONE, BY_NAME),
        (ONE, {"exit1": 0.5, "exit2": 2.0}),
        (dict.fromkeys(BY_NAME, ONE), BY_NAME),
    ],
    ids=["in_order", "by_name", "some", "losses_by_name"],
)
def test_with_weights(loss, weights):
    logs = logs_of(compiled(chain_with_exits(), loss=loss, loss_weights=weights))
    expected = 0.5 * logs["exit1_loss"] + 2 * logs["exit2_loss"] + logs["classes_loss"]
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["arrays", "dataset", "one_hot", "list", "dict"])
def test_fit_moves_every_exit(kind):
    x, y = samples()
    loss = "sparse_categorical_crossentropy"
    if kind == "one_hot":
        y, loss = keras.utils.to_categorical(y), "categorical_crossentropy"
    model = compiled(chain_with_exits(), loss=loss)
    before = [np.array(w) for w in model.trainable_weights]
    labels = {"list": [y] * 3, "dict": dict.fromkeys(model.exit_names, y)}.get(kind, y)
    if kind == "dataset":
        tf = pytest.importorskip("tensorflow")
        model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(4), verbose=0)
    else:
        model.fit(x, labels, verbose=0)
    heads = [(w, old) for w, old in zip(model.trainable_weights, before, strict=True)]
    still = [w.path for w, old in heads if w.name == "bias" and np.array_equal(w, old)]
    assert not [path for path in still if path.split("/")[0] in model.exit_names]


def test_sample_weights_reach_every_exit():
    x, y = samples()
    model = compiled(chain_with_exits(), weighted_metrics=["accuracy"])
    some = np.array([1.0] * 4 + [0.0] * 4)
    weighted = model.evaluate(x, y, sample_weight=some, verbose=0, return_dict=True)
    half = model.evaluate(x[:4], y[:4], verbose=0, return_dict=True)
    for name in LOSSES:  # Keras divides by the samples, those of weight 0 included
        np.testing.assert_allclose(weighted[name], half[name] / 2, rtol=1e-5)
    assert weighted["exit1_weighted_accuracy"] == half["exit1_accuracy"]


def test_metrics_of_one_instance_are_counted_apart():
    metric = keras.metrics.SparseCategoricalAccuracy(name="right")
    logs = logs_of(compiled(chain_with_exits(), metrics=[metric]))
    x, y = samples()
    answers = chain_with_exits().predict(x, verbose=0)
    assert {"exit1_right", "exit2_right", "classes_right"} < {*logs}
    assert len(answers) == 3


def test_distillation_adds_its_weight_times_the_cross_entropy():
    x, y = samples()
    model = compiled(chain_with_exits())
    plain = model.train_on_batch(x, y, return_dict=True)["loss"]
    again = compiled(chain_with_exits())
    again.set_weights(before := [np.array(w) for w in again.get_weights()])
    again.compile("sgd", "sparse_categorical_crossentropy", distillation=0.5)
    *early, last = (np.array(one) for one in again(x, training=True))
    again.set_weights(before)  # the moving statistics that the pass moved
    task = compiled(again, distillation=0.0).train_on_batch(x, y, return_dict=True)["loss"]
    again.set_weights(before)
    distilled = compiled(again, distillation=0.5).train_on_batch(x, y, return_dict=True)["loss"]
    expected = sum(-(last * np.log(one)).sum(-1).mean() for one in early)
    np.testing.assert_allclose(distilled - task, 0.5 * expected, rtol=1e-4)
    assert plain > 0


def test_the_teacher_does_not_learn_from_distillation():
    model = chain_with_exits()
    x, y = samples()
    names = model.exit_names
    losses = [None, None, "sparse_categorical_crossentropy"]
    kernels = []
    for weight in (0.0, 1.0):
        fresh = keras.models.clone_model(model)
        fresh.set_weights(model.get_weights())
        one = ["sparse_categorical_crossentropy"] * 2 + losses[-1:]
        fresh.compile("sgd", one, loss_weights=[0.0, 0.0, 1.0], distillation=weight)
        fresh.train_on_batch(x, y)
        kernels.append([np.array(w) for w in fresh.get_layer(names[-1]).weights])
    np.testing.assert_array_equal(kernels[0][0], kernels[1][0])


def test_a_saved_model_is_the_model(tmp_path):
    for made in (chain_with_exits(), dialled()):
        model = compiled(made, distillation=0.5)
        x, y = samples()
        model.fit(x, y, verbose=0)
        model.save(tmp_path / "net.keras")
        loaded = keras.saving.load_model(tmp_path / "net.keras")
        assert type(loaded) is type(model)
        assert (loaded.exit_names, loaded.distillation) == (model.exit_names, 0.5)
        for one, other in zip(model.predict(x), loaded.predict(x), strict=True):
            np.testing.assert_array_equal(one, other)
        assert logs_of(loaded).keys() == logs_of(model).keys()
        loaded.fit(x, y, verbose=0)


@pytest.mark.parametrize(
    "callback",
    [
        tnn.callbacks.SandwichRule((0.5, 1.0), distillation=True),
        tnn.callbacks.UtilizationCurriculum(0.5, 0.5, every=1),
        tnn.callbacks.UniformUtilization(per="batch"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_exits_train_with_the_dial(callback):
    x, y = samples()
    model = compiled(dialled(), distillation=0.5)
    before = np.array(model.get_layer("exit1").bias)
    logs = model.fit(x, y, epochs=2, verbose=0, callbacks=[callback]).history
    assert "exit1_accuracy" in logs and np.all(np.isfinite(logs["loss"]))
    assert not np.array_equal(model.get_layer("exit1").bias, before)


def test_the_mean_over_levels_holds_the_exits_of_each():
    """Without distillation the sandwich's loss is the mean over levels of the sums over exits."""
    x, y = samples()
    model = compiled(dialled(batch_normalization=False), metrics=None)
    # The heads normalise over the batch: in training mode, as the step does.
    expected = []
    for u in (0.5, 1.0):
        y_pred = model([x, np.full(8, u, "float32")], training=True)
        each = [keras.losses.sparse_categorical_crossentropy(y, one) for one in y_pred]
        expected.append(float(sum(np.mean(one) for one in each)))
    rule = tnn.callbacks.SandwichRule((0.5, 1.0))
    logs = model.fit(x, y, batch_size=8, verbose=0, callbacks=[rule]).history
    np.testing.assert_allclose(logs["loss"][0], np.mean(expected), rtol=1e-4)


def test_arguments_that_cannot_be():
    with pytest.raises(ValueError, match="Invalid value for `distillation`. Expected a float, 0"):
        compiled(chain_with_exits(), distillation=-1.0)
    with pytest.raises(ValueError, match=r"Invalid value for `loss_weights`.*\['exit9'\]"):
        compiled(chain_with_exits(), loss_weights={"exit9": 1.0})
