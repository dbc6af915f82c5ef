"""Data-dependent gates against the equations of herrmann2019 (S1.3, S1.4), written in numpy."""

import keras
import numpy as np
import pytest

from as_trained import as_trained
from gradient_of import gradient_of
from keras_tnn.gates import DataDependent, record_decisions

U = np.ones(5, "float32")
SHAPES = [(7,), (6, 7), (4, 6, 7), (2, 4, 6, 7)]
EPSILON = 1e-5


def features_of(shape):
    return np.random.default_rng(1).normal(size=(5, *shape)).astype("float32")


def probabilities(gate, features, training):
    with record_decisions() as decisions:
        gate(U, features=features, training=training)
    return keras.ops.convert_to_numpy(decisions[0].probabilities)


def weights_of(gate) -> dict[str, np.ndarray]:
    return {"/".join(w.path.split("/")[1:]): w.numpy() for w in gate.weights}


def normalised(x, w, layer, training):
    mean = x.mean(axis=0) if training else w[f"{layer}/moving_mean"]
    variance = x.var(axis=0) if training else w[f"{layer}/moving_variance"]
    return (x - mean) / np.sqrt(variance + EPSILON) * w[f"{layer}/gamma"] + w[f"{layer}/beta"]


def by_the_paper(gate, w, features, training):
    """One group after the other, as the paper says it: pool, 1x1, norm, ReLU, 1x1."""
    pooled = features.reshape(5, -1, features.shape[-1]).mean(axis=1)
    x = pooled @ w["hidden/kernel"] + w["hidden/bias"]
    x = np.maximum(normalised(x, w, "normalization", training), 0)
    units = gate.hidden_units
    logits = np.stack(
        [
            x[:, group * units : (group + 1) * units] @ w["logits/kernel"][group]
            + w["logits/bias"][group]
            for group in range(gate.free_groups)
        ],
        axis=1,
    )
    if gate.memory:
        x = logits.reshape(5, -1) @ w["recall/kernel"] + w["recall/bias"]
        x = np.maximum(normalised(x, w, "recall_normalization", training), 0)
        logits = (x @ w["revised_logits/kernel"] + w["revised_logits/bias"]).reshape(logits.shape)
    return 1 / (1 + np.exp(logits[..., 0] - logits[..., 1]))


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_probabilities(shape, training, memory):
    features = features_of(shape)
    gate = as_trained(DataDependent(3, hidden_units=4, memory=memory), U, features)
    expected = by_the_paper(gate, weights_of(gate), features, training)
    received = probabilities(gate, features, training)
    # float32 sums of up to 48 terms, then logits of size 10.
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)
    assert received.std(axis=0).min() > 1e-4  # each sample decides for itself


def test_a_group_has_its_own_network():
    """What group 0 decides depends on the first units alone."""
    features = features_of((7,))
    gate = as_trained(DataDependent(2, hidden_units=4), U, features)
    before = probabilities(gate, features, False)
    kernel = weights_of(gate)["hidden/kernel"].copy()
    kernel[:, 4:] *= -1
    gate.hidden.kernel.assign(kernel)
    after = probabilities(gate, features, False)
    assert (after[:, 0] == before[:, 0]).all()
    assert (after[:, 1] != before[:, 1]).any()


def test_memory_lets_groups_see_each_other():
    features = features_of((7,))
    gate = as_trained(DataDependent(2, hidden_units=4, memory=True), U, features)
    before = probabilities(gate, features, False)
    kernel = weights_of(gate)["hidden/kernel"].copy()
    kernel[:, 4:] *= -1
    gate.hidden.kernel.assign(kernel)
    assert (probabilities(gate, features, False)[:, 0] != before[:, 0]).any()


@pytest.mark.parametrize("memory", [False, True])
def test_every_weight_learns(memory):
    features, u = keras.Input((4, 4, 3)), keras.Input(())
    gate = DataDependent(3, memory=memory)
    outputs = keras.ops.sum(gate(u, features=features), axis=-1, keepdims=True)
    as_trained(gate, U, x := features_of((4, 4, 3)))
    gradient = gradient_of(keras.Model([features, u], outputs), [x, U])
    # Batch normalisation takes away what is added to all samples before it, but for rounding.
    learning = [path for path, slope in gradient.items() if np.abs(slope).max() > 1e-5]
    before_norm = {"hidden/bias", *(("logits/bias", "recall/bias") if memory else ())}
    assert set(gradient) - set(learning) == before_norm


def test_moving_statistics_follow_training():
    features = features_of((7,))
    gate = as_trained(DataDependent(1, hidden_units=4), U, features)
    w = weights_of(gate)
    gate(U, features=features, training=True)
    x = features @ w["hidden/kernel"] + w["hidden/bias"]
    # PyTorch's momentum of 0.1 is Keras' 0.9.
    expected = 0.9 * w["normalization/moving_mean"] + 0.1 * x.mean(axis=0)
    received = weights_of(gate)["normalization/moving_mean"]
    np.testing.assert_allclose(received, expected, rtol=1e-4)  # float32 sums


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_does_not_round_decisions(policy):
    precision = policy.removeprefix("mixed_")
    features = keras.ops.cast(features_of((4, 4, 7)), precision)
    exact = keras.ops.cast(features, "float32")
    full = as_trained(DataDependent(3), U, exact)
    half = DataDependent(3, dtype=policy)
    outputs = half(U, features=features)
    assert keras.backend.standardize_dtype(outputs.dtype) == precision
    half.set_weights(full.get_weights())
    for training in (False, True):
        np.testing.assert_array_equal(
            probabilities(half, features, training), probabilities(full, exact, training)
        )


def test_one_sample_at_inference():
    gate = DataDependent(2)
    assert tuple(gate(0.5, features=features_of((7,))[:1]).shape) == (1, 2)


def test_refuses_one_sample_in_training():
    gate = DataDependent(2, name="picky")
    message = "Invalid batch in gate 'picky'.* Expected at least 2 samples in training. Received: 1"
    with pytest.raises(ValueError, match=message):
        gate(0.5, features=features_of((7,))[:1], training=True)


@pytest.mark.parametrize("call", [lambda gate: gate(0.5), lambda gate: gate.pattern(0.5)])
def test_refuses_to_decide_without_features(call):
    with pytest.raises(ValueError, match="depends on data.* Expected the call argument `features`"):
        call(DataDependent(2))
    with pytest.raises(ValueError, match="depends on data.* Expected the call argument `features`"):
        DataDependent(2)(keras.Input(()))


def test_refuses_a_gate_without_a_decision():
    with pytest.raises(ValueError, match="needs a group to decide on.*num_groups=2, min_groups=2"):
        DataDependent(2, min_groups=2)
