"""Actor and critic of BudgetNet: chen2020, Eq. 7 to 10, and what counts as a right answer."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_tnn as tnn
from keras_tnn.gates import BudgetPolicy, Decision
from keras_tnn.losses import BudgetReward
from keras_tnn.training import BudgetObjective, Critic, ForwardPass
from keras_tnn.training.budget_objective import right_answers

RNG = np.random.default_rng(0)
U = (RNG.random((6, 3)) < 0.5).astype("float32")
S = RNG.uniform(0.2, 0.8, (6, 3)).astype("float32")
V = np.float32([0.5, -0.5, 2.0, 0.0, -1.5, 0.25])
C = np.linspace(0.1, 1, 6).astype("float32")


def part_and_gradients(y, y_pred, sample_weight=None):
    """The objective and its gradients with respect to s and V."""
    policy, reward = BudgetPolicy(3), BudgetReward(0.5, 0.25)
    s, v = keras.Variable(S.copy()), keras.Variable(V.copy())

    class Objective(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.s, self.v = s, v

        def call(self, x):
            decisions = [Decision(policy, ops.convert_to_tensor(U), self.s.value, self.v.value)]
            objective = BudgetObjective(reward, lambda found: found[0].values)
            forward = ForwardPass(ops.convert_to_tensor(C), decisions)
            part = objective.part(None, forward, y, y_pred, sample_weight)
            return ops.reshape(part, (1, 1))

    model = keras.Sequential([keras.Input((1,)), Objective()])
    # Compiled, TensorFlow may update v before the gradient of s has read it.
    model.compile(keras.optimizers.SGD(1.0), lambda _, part: ops.mean(part), run_eagerly=True)
    value = float(ops.convert_to_numpy(model(np.ones((1, 1))))[0, 0])
    model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    return value, S - ops.convert_to_numpy(s), V - ops.convert_to_numpy(v)


def test_equations_7_to_10():
    y, chosen = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 0, 0, 2, 2])
    value, of_s, of_v = part_and_gradients(y, np.eye(3, dtype="float32")[chosen])
    usage = U.mean(axis=1)
    d = np.sqrt(np.abs(usage - C)) + 0.25 * (usage > C)
    r = np.where(y == chosen, 1 - d, -0.5 * (1 + d))
    advantage = r - V
    assert (np.abs(advantage) < 1).any() and (np.abs(advantage) > 1).any()  # both of Eq. 10
    log_pi = np.log(U * S + (1 - U) * (1 - S)).sum(axis=1)
    smooth = np.where(np.abs(advantage) < 1, 0.5 * advantage**2, np.abs(advantage) - 0.5)
    np.testing.assert_allclose(value, np.mean(smooth - advantage * log_pi), rtol=1e-5)
    slope = U / S - (1 - U) / (1 - S)  # of log pi
    np.testing.assert_allclose(of_s, -advantage[:, None] * slope / 6, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(of_v, -np.clip(advantage, -1, 1) / 6, rtol=1e-4, atol=1e-6)


def test_weights_of_samples():
    """A sample of weight zero teaches neither actor nor critic; one of two counts twice."""
    y, y_pred = np.array([0, 1, 2, 0, 1, 2]), np.eye(3, dtype="float32")[[0, 1, 0, 0, 2, 2]]
    weight = np.float32([1, 0, 2, 1, 0.5, 0])
    _, of_s, of_v = part_and_gradients(y, y_pred)
    _, weighted_of_s, weighted_of_v = part_and_gradients(y, y_pred, weight)
    np.testing.assert_allclose(weighted_of_s, weight[:, None] * of_s, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(weighted_of_v, weight * of_v, rtol=1e-5, atol=1e-7)


def test_the_critic_is_the_baseline():
    decisions = [Decision(BudgetPolicy(3), None, None, V)]
    np.testing.assert_array_equal(Critic().values(np.zeros(6), decisions), -V)


def classifier(outputs: int, from_logits: bool = False):
    """A compiled model of so many outputs."""
    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Dense(outputs)(x))
    loss = keras.losses.BinaryCrossentropy if outputs == 1 else keras.losses.CategoricalCrossentropy
    model.compile("sgd", loss(from_logits=from_logits))
    return model


@pytest.mark.parametrize(
    ("y", "y_pred", "from_logits", "expected"),
    [
        (np.array([1, 0]), [[0.2, 0.8], [0.3, 0.7]], False, [1, 0]),
        (np.array([[1], [0]]), [[0.2, 0.8], [0.3, 0.7]], False, [1, 0]),
        (np.eye(2)[[1, 0]], [[0.2, 0.8], [0.3, 0.7]], False, [1, 0]),
        (np.array([1, 1]), [[0.8], [0.3]], False, [1, 0]),
        (np.array([[0], [0]]), [[0.8], [0.3]], False, [0, 1]),
        (np.array([1, 1]), [[0.3], [-0.3]], True, [1, 0]),  # logits: above 0 is yes
    ],
)
def test_right_answers(y, y_pred, from_logits, expected):
    y_pred = np.float32(y_pred)
    found = right_answers(classifier(y_pred.shape[-1], from_logits), y, y_pred)
    assert ops.convert_to_numpy(found).tolist() == expected


def test_needs_a_classifier():
    with pytest.raises(ValueError, match=r"one output of shape \(batch, classes\).*\(2, 4, 3\)"):
        right_answers(classifier(3), np.zeros((2, 4)), np.zeros((2, 4, 3)))


@pytest.mark.parametrize("loss", [None, "sparse_categorical_crossentropy"])
def test_needs_labels(loss):
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    model = tnn.throttle(plain, axes=("depth",), gate=BudgetPolicy)
    model.compile("adam", loss)
    with pytest.raises(ValueError, match=r"Expected `y`, or a data set of \(x, y\). Received: y=N"):
        model.fit(np.zeros((4, 8, 8, 3)), callbacks=[tnn.callbacks.BudgetCurriculum()], verbose=0)
