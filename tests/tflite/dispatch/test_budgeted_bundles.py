"""A budget policy on the device: any budget, patterns cut and kept, and Keras' own numbers."""

import itertools
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import keras_tnn as tnn
import tnn_tflite
from tnn_tflite import BundleError, Dispatcher
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.dispatch import patterns as cutting
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.patterns import PatternCache

BUDGETS = (0.3, 0.6, 0.9)
OTHERS = (0.1, 0.45, 0.6, 1.0)


def images(count=24):
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.2, 3, (count, 1, 1, 1))  # so that the policy sees a difference
    return (scale * rng.normal(size=(count, 8, 8, 3))).astype("float32")


def blocks():
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=14, width=4, throttled=False)
    return tnn.throttle(plain, axes=("depth",), gate=tnn.gates.BudgetPolicy)


def paths():
    sizes = {"depth": 11, "filters": 16, "branch_width": 2, "gate_sums": False}
    return tnn.models.ResNeXt((8, 8, 3), 4, **sizes, gate=tnn.gates.BudgetPolicy)


@pytest.fixture(scope="module", params=[blocks, paths])
def model(request):
    keras.utils.set_random_seed(0)
    model, rng = request.param(), np.random.default_rng(1)
    (policy,) = model.gates
    policy.actor_hidden.kernel.assign(rng.normal(size=policy.actor_hidden.kernel.shape))
    policy.actor.kernel.assign(rng.normal(0, 0.5, policy.actor.kernel.shape))
    return model


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("budgeted") / "bundle"
    arguments = {"levels": BUDGETS, "layout": "patterns", "calibration_data": None}
    return tnn_tflite.convert(model, directory, **arguments, verbose=False).directory


@pytest.fixture(scope="module")
def small_bundle(tmp_path_factory):
    """One of blocks alone, for what is the same for any network."""
    keras.utils.set_random_seed(0)
    directory = tmp_path_factory.mktemp("small") / "bundle"
    arguments = {"levels": BUDGETS, "layout": "patterns", "calibration_data": images()}
    return tnn_tflite.convert(blocks(), directory, **arguments, verbose=False).directory


def gates_of(model, x, budget):
    with tnn.gates.record_decisions() as decisions:
        model([x, np.full(len(x), budget, "float32")])
    return np.asarray(decisions[0].values)


@pytest.mark.parametrize("patterns", [0, 32])
def test_any_budget_is_keras_own_answer(model, bundle, patterns, monkeypatch):
    monkeypatch.setattr(cutting, "SIGHTINGS", 0)  # cut at once
    dispatcher, x, chosen = Dispatcher(bundle, patterns=patterns), images(), set()
    for budget in OTHERS:
        expected = model.predict(x, utilization=budget, gating=0.5, verbose=0)
        # softmax outputs; float32 sums in another order than Keras
        np.testing.assert_allclose(dispatcher(x, budget), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dispatcher(x[0], budget), expected[0], rtol=1e-4, atol=1e-5)
        result = dispatcher.run(x, budget)
        opened = np.array([pattern.gates for pattern in result.patterns])
        np.testing.assert_array_equal(opened, gates_of(model, x, budget) > 0.5)
        assert [pattern.cached for pattern in result.patterns] == [patterns > 0] * len(x)
        chosen |= {pattern.gates for pattern in result.patterns}
    assert len(chosen) > 2
    mixed = np.resize(np.float32(OTHERS), len(x))
    expected = model.predict([x, mixed], gating=0.5, verbose=0)
    np.testing.assert_allclose(dispatcher(x, mixed), expected, rtol=1e-4, atol=1e-5)


def test_macs_are_those_of_the_open_components(model, bundle):
    dispatcher, x = Dispatcher(bundle), images(3)
    result = dispatcher.run(x, 0.6)
    (policy,) = model.gates
    for pattern in result.patterns:
        small = tnn.materialize(model, gates={policy.name: np.float32(pattern.gates)})
        assert pattern.macs == tnn.count_macs(small) + dispatcher.bundle.policy.macs
        assert str(pattern) == f"{pattern.open} of {policy.num_groups} components"
    assert result.macs == sum(pattern.macs for pattern in result.patterns)


def test_it_compares_with_keras_at_the_named_budgets(model, bundle):
    comparison = tnn_tflite.compare(model, bundle, images(4))
    assert [row.utilization for row in comparison.rows] == list(BUDGETS)
    assert [row.agreement for row in comparison.rows] == [1.0] * 3
    # float32 sums in another order
    assert max(row.output_error for row in comparison.rows) < 1e-4


def test_integers_with_the_same_gates(model, tmp_path):
    x = images(64)
    arguments = {"quantization": "int8", "representative_data": x, "verbose": False}
    tnn_tflite.convert(model, tmp_path / "b", BUDGETS, layout="patterns", **arguments)
    dispatcher, parts = Dispatcher(tmp_path / "b"), tnn.surgery.policy_apart(model)
    runtime = find_runtime()
    cached, behind = (PatternCache(dispatcher.bundle, runtime, sightings=one) for one in (0, 10**9))
    agreed, errors = [], []
    for budget in OTHERS:
        gates = dispatcher._network.gates([x], budget)
        agreed.append(gates == parts.decide([x], budget))
        expected = parts.network.predict([x, gates], verbose=0)
        for place, row in enumerate(gates):
            one = [x[place : place + 1]]
            (cut,), (whole,) = (cache.run(row, one)[0] for cache in (cached, behind))
            np.testing.assert_array_equal(cut, whole)  # the same integers
            errors.append(np.abs(cut[0] - expected[place]).max())
    # What is near 0.5 may fall to the other side: of 1,024 and more gates few.
    assert np.mean(agreed) > 0.93
    # Probabilities of a network with random weights, in steps of 1/256.
    assert np.mean(errors) < 0.03 and cached.patterns > 1


def test_another_program_can_run_it_as_documented(small_bundle):
    """With the manifest and an interpreter alone."""
    policy, network = manifest_of(small_bundle)["programs"]
    assert [policy["role"], network["role"]] == ["budget_policy", "gated_network"]
    make = find_runtime().interpreter_class
    for budget in OTHERS:
        (x,) = images(1)
        given = {"image": x[np.newaxis], "budget": np.float32([budget])}
        interpreter = make(str(small_bundle / policy["file"]))
        gates = interpreter.get_signature_runner()(**given)["gates"].round()
        interpreter = make(str(small_bundle / network["file"]))
        (expected,) = interpreter.get_signature_runner()(image=given["image"], gates=gates).values()
        result = Dispatcher(small_bundle).run(x, budget)
        np.testing.assert_array_equal(result.outputs, expected[0])
        closed = np.flatnonzero(gates[0] < 0.5)
        saved = sum(network["component_macs"][k] for k in closed)
        assert result.macs == policy["macs"] + network["macs"] - saved


def test_levels_are_the_named_budgets(small_bundle):
    dispatcher, x = Dispatcher(small_bundle), images()
    assert [level.utilization for level in dispatcher.levels] == list(BUDGETS)
    for level in dispatcher.levels:
        measured = dispatcher.run(x, level.utilization)
        # integers; `convert` takes the mean over the same samples
        assert abs(measured.macs / len(x) - level.macs) <= 1
    assert dispatcher.level_for(0.7).utilization == 0.6
    assert dispatcher.run(x[0], 0.7).level.utilization == 0.6


def test_policies_choose_budgets(small_bundle):
    x = images()
    fixed = Dispatcher(small_bundle, policy=tnn_tflite.policies.Fixed(0.7))
    np.testing.assert_array_equal(fixed(x), fixed(x, utilization=0.7))
    assert fixed.run(x[0], budget_ms=1000.0).utilization == 0.9
    assert fixed.run(x[0], budget_ms=1e-6).utilization == 0.3
    climbing = Dispatcher(small_bundle, policy=tnn_tflite.policies.Escalate([1.0, 1.0]))
    result = climbing.run(x[:2])  # no answer is so sure: it ends at the highest budget
    assert result.utilizations == (0.9, 0.9)
    np.testing.assert_array_equal(result.outputs, fixed(x[:2], utilization=0.9))
    each = [climbing.run(x[:2], u).macs for u in BUDGETS]
    assert result.macs == sum(each)


@pytest.mark.parametrize("utilization", [0, 1.5, float("nan"), [0.5, 1.5]])
def test_wrong_budgets(small_bundle, utilization):
    dispatcher = Dispatcher(small_bundle)
    with pytest.raises(ValueError, match=r"`utilization`. Expected a float in \(0, 1\]"):
        dispatcher(images(2), utilization=utilization)


def test_an_empty_batch(small_bundle):
    assert Dispatcher(small_bundle)(images()[:0], utilization=0.5).shape == (0, 4)


@pytest.mark.parametrize("patterns", [-1, 1.5, True])
def test_wrong_number_of_patterns(small_bundle, patterns):
    with pytest.raises(ValueError, match="`patterns`. Expected an integer, zero or more"):
        Dispatcher(small_bundle, patterns=patterns)


@pytest.fixture
def caches(small_bundle):
    bundle = read_bundle(small_bundle)

    def make(**arguments):
        return PatternCache(bundle, find_runtime(), **arguments)

    return make


ALL = [np.array(one, "float32") for one in itertools.product((0, 1), repeat=4)]


def test_a_pattern_is_cut_when_it_was_seen_often(caches):
    cache, (x,) = caches(sightings=3), [images(1)]
    told = [cache.run(ALL[5], [x])[1:] for _ in range(5)]
    # Whether it had run before, and whether it was cut.
    assert told == [(False, False), (True, False), (True, False), (False, True), (True, True)]


def test_the_patterns_used_last_are_kept(caches):
    cache, x = caches(most=2, sightings=0), images(1)
    for row in (ALL[0], ALL[1], ALL[0], ALL[2]):  # the third makes room for itself
        cache.run(row, [x])
    assert cache.patterns == 2
    warm = {number: cache.run(ALL[number], [x])[1] for number in (0, 2, 1)}
    assert warm == {0: True, 2: True, 1: False}


def test_what_was_seen_is_forgotten_in_the_end(caches, monkeypatch):
    monkeypatch.setattr(cutting, "REMEMBERED", 1)
    cache, x = caches(most=1, sightings=1), images(1)
    for row in (ALL[0], ALL[1], ALL[0]):  # seen twice, but another one between
        assert not cache.run(row, [x])[2]
    assert cache.run(ALL[0], [x])[2]


def test_a_memory_limit_holds(caches, small_bundle):
    network = read_bundle(small_bundle).network
    cap = MemoryCap(8 * network.bytes)
    cache, x = caches(most=16, sightings=0, cap=cap), images(1)
    expected = {}
    for row in ALL * 2:
        (found,), _, was_cut = cache.run(row, [x])
        expected.setdefault(row.tobytes(), found)
        np.testing.assert_array_equal(found, expected[row.tobytes()])
        assert was_cut and 0 < cap.used <= cap.limit
    assert len({value.tobytes() for value in expected.values()}) == 16


def test_threads_get_the_answers_of_one(caches):
    x = images(16)
    alone = caches(most=16, sightings=10**9)
    calls = [(row, x[place : place + 1]) for place in range(16) for row in ALL]
    expected = [alone.run(row, [one])[0][0] for row, one in calls]
    cache = caches(most=5, sightings=1)  # patterns come and go all the time
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda call: cache.run(call[0], [call[1]])[0][0], calls))
    np.testing.assert_array_equal(found, expected)
    assert cache.patterns == 5


def manifest_of(directory):
    return json.loads((directory / "manifest.json").read_text())


def change(directory, edit):
    manifest = manifest_of(directory)
    del manifest["manifest_sha256"]
    edit(manifest)
    (directory / "manifest.json").write_text(json.dumps(manifest))


DAMAGE = {
    "no policy": (lambda m: m["programs"].pop(0), "from a program to one that stands after it"),
    "no network": (lambda m: m["programs"].pop(1), "a program with the role 'level'"),
    "no budgets": (lambda m: m.pop("budgets"), "a program with the role 'level'"),
    "budgets that fall": (lambda m: m["budgets"].reverse(), "levels that rise in utilization"),
    "a budget of 2": (lambda m: m["budgets"][2].update(utilization=2), r"a number in \(0, 1\]"),
    "another layout": (lambda m: m.update(layout="files"), "layout 'patterns' with one 'budget_"),
    "no edge": (lambda m: m.pop("edges"), "the edge Edge"),
    "a component less": (lambda m: m["programs"][1]["component_macs"].pop(), r"inputs \(Tensor.*"),
    "a negative cost": (
        lambda m: m["programs"][1].update(component_macs=[-1] * 4),
        "a filled list of integers, zero or more",
    ),
    "no budget to read": (lambda m: m["programs"][0]["inputs"].pop(), "inputs .* of 'budget_pol"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_manifests_are_refused(small_bundle, tmp_path, kind):
    edit, message = DAMAGE[kind]
    directory = shutil.copytree(small_bundle, tmp_path / "bundle")
    change(directory, edit)
    with pytest.raises(BundleError, match=message):
        Dispatcher(directory)


@pytest.mark.parametrize("file", ["budget_policy.tflite", "gated_network.tflite"])
def test_damaged_files_are_refused(small_bundle, tmp_path, file):
    directory = shutil.copytree(small_bundle, tmp_path / "bundle")
    content = bytearray((directory / file).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / file).write_bytes(content)
    with pytest.raises(BundleError, match="Expected SHA-256"):
        Dispatcher(directory)(images())


def test_readers_of_levels_refuse_it(small_bundle):
    with pytest.raises(BundleError, match=r"a role that is known here \(level, controller\)"):
        tnn_tflite.replace_controller(small_bundle, None)
    with pytest.raises(BundleError, match=r"a role that is known here \(level, controller\)"):
        read_bundle(small_bundle, ("level", "controller"))


def test_what_layout_patterns_takes(tmp_path):
    plain = tnn.models.VGG((8, 8, 3), 4, num_groups=2, filters=((4,),), dense_units=4)
    with pytest.raises(ValueError, match="`layout`. Expected layout='patterns' for a model with"):
        tnn_tflite.convert(plain, tmp_path / "b", layout="patterns")
    policed = blocks()
    with pytest.raises(ValueError, match="Expected no controller, whose place the policy has"):
        tnn_tflite.convert(policed, tmp_path / "b", layout="patterns", controller=plain)
    assert not (tmp_path / "b").exists()
