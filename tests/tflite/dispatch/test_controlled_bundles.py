"""The controller in a bundle chooses the level of each sample, and results tell the cost."""

import gc
import json
import logging
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from hand_made_controllers import brightest, make_answering_controller, make_controller
from tnn_tflite import BundleError, Dispatcher, convert, policies, read_bundle
from tnn_tflite.dispatch.interpreter import find_runtime

CHOICE_MACS = 3 * 3  # the dense layer: three mean colours, three levels


@pytest.fixture(scope="module")
def controlled(controlled_bundle):
    return Dispatcher(controlled_bundle)


@pytest.fixture(scope="module")
def answering(networks, tmp_path_factory):
    controller = make_answering_controller(networks[0.25])
    directory = tmp_path_factory.mktemp("answering") / "bundle"
    return Dispatcher(convert(networks, directory, controller=controller, verbose=False).directory)


def test_the_bundle_carries_it_as_a_program_of_its_own(controlled_bundle):
    bundle = read_bundle(controlled_bundle)
    assert [program.name for program in bundle.programs] == ["controller", "u0.25", "u0.5", "u1.0"]
    assert bundle.controller == bundle.programs[0]
    assert (bundle.controller.role, bundle.controller.file) == ("controller", "controller.tflite")
    assert bundle.controller.inputs == bundle.inputs
    assert [(spec.name, spec.shape) for spec in bundle.controller.outputs] == [("choice", (3,))]
    assert bundle.controller.macs == CHOICE_MACS
    assert [level.utilization for level in bundle.levels] == [0.25, 0.5, 1.0]


def test_each_sample_runs_at_the_level_that_it_chooses(controlled, images):
    result = controlled.run(images)
    assert list(result.utilizations) == brightest(images)
    assert len(set(result.utilizations)) == 3  # else a constant choice would pass
    for image, u, output in zip(images, result.utilizations, result.outputs, strict=True):
        np.testing.assert_array_equal(output, controlled(image, u))
        alone = controlled.run(image)
        assert (alone.utilization, alone.utilizations) == (u, (u,))
        np.testing.assert_array_equal(alone.outputs, output)
        np.testing.assert_array_equal(controlled(image), output)
    np.testing.assert_array_equal(controlled(images), result.outputs)


def test_the_result_says_what_was_chosen_and_what_it_cost(controlled, images):
    macs = {level.utilization: level.macs for level in controlled.levels}
    result = controlled.run(images)
    assert result.choice_macs == 5 * CHOICE_MACS
    assert result.macs == result.choice_macs + sum(macs[u] for u in result.utilizations)
    assert 0 < result.choice_milliseconds < result.milliseconds
    assert [level.utilization for level in result.levels] == [0.25, 0.5, 1.0]
    assert result.utilization == 1.0
    assert result.reason == "the controller chose u=0.25, u=0.5, u=1"
    alone = controlled.run(images[0])
    assert alone.levels == (alone.level,)
    assert alone.reason == f"the controller chose u={alone.utilization:g}"


def test_a_caller_who_names_something_gets_it(controlled, controlled_bundle, images):
    dim = images[brightest(images).index(0.25)]
    for given, u in ((1.0, 1.0), (0.6, 0.5)):
        result = controlled.run(dim, given)
        assert (result.utilization, result.choice_macs) == (u, 0)
    assert controlled.run(dim, budget_ms=1000.0).utilization == 1.0
    fixed = Dispatcher(controlled_bundle, policy=policies.Fixed(0.5))
    assert fixed.run(dim).utilization == 0.5
    np.testing.assert_array_equal(controlled(dim[None], [1.0]), controlled(dim[None], 1.0))


def test_an_answer_that_it_has_needs_no_level(answering, images):
    red = images[..., 0].mean(axis=(1, 2))
    result = answering.run(images)
    assert list(result.utilizations) == [0.25 if value < 0 else 1.0 for value in red]
    assert set(result.utilizations) == {0.25, 1.0}
    assert [level.utilization for level in result.levels] == [1.0]
    low = int((red < 0).sum())
    full = answering.levels[-1].macs
    assert result.macs == 5 * answering.bundle.controller.macs + (5 - low) * full
    # The same layers on the same numbers, in another file: float32 rounds the same or nearly so.
    for image, u, output in zip(images, result.utilizations, result.outputs, strict=True):
        np.testing.assert_allclose(output, answering(image, u), rtol=1e-5, atol=1e-6)
    dark = answering.run(images[red.argmin()])
    assert (dark.utilization, dark.levels) == (0.25, ())
    assert dark.macs == dark.choice_macs == answering.bundle.controller.macs


@pytest.mark.parametrize("layout", ["single", "signatures"])
@pytest.mark.parametrize("quantization", [None, "int8"])
def test_every_layout_and_int8(networks, images, tmp_path, layout, quantization):
    data = {} if quantization is None else {"representative_data": images}
    bundle = convert(
        networks,
        tmp_path / "bundle",
        controller=make_controller(),
        layout=layout,
        quantization=quantization,
        verbose=False,
        **data,
    )
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == [
        "controller.tflite",
        "levels.tflite",
        "manifest.json",
    ]
    interpreter = find_runtime().interpreter(bundle.read_level(bundle.controller))
    kinds = {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    assert ("int8" in kinds) == (quantization == "int8")
    dispatcher = Dispatcher(tmp_path / "bundle")
    result = dispatcher.run(images)
    assert list(result.utilizations) == brightest(images)
    for image, u, output in zip(images, result.utilizations, result.outputs, strict=True):
        np.testing.assert_array_equal(output, dispatcher(image, u))


def test_empty_batches(controlled, answering):
    for dispatcher in (controlled, answering):
        result = dispatcher.run(np.zeros((0, 8, 8, 3), "float32"))
        assert result.outputs.shape == (0, 4)
        assert (result.levels, result.utilizations, result.macs) == ((), (), 0)


def test_a_network_with_two_inputs(tmp_path):
    """The controller may name them in another order."""
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    both = keras.layers.Concatenate()([left, right])
    nets = {u: keras.Model([left, right], keras.layers.Dense(2, name="y")(both)) for u in (0.5, 1)}
    other = [keras.Input((3,), name="right"), keras.Input((2,), name="left")]
    controller = keras.Model(other, keras.layers.Identity()(other[1]))
    bundle = convert(nets, tmp_path / "bundle", controller=controller, verbose=False)
    dispatcher = Dispatcher(bundle.directory)
    for pair, u in (([1.0, 0.0], 0.5), ([0.0, 1.0], 1.0)):
        x = {"left": np.array(pair, "float32"), "right": np.zeros(3, "float32")}
        assert dispatcher.run(x).utilization == u


def test_the_first_call_is_not_warm(controlled_bundle, images):
    dispatcher = Dispatcher(controlled_bundle)
    assert not dispatcher.run(images[0]).is_warm
    dispatcher.warm_up()
    assert dispatcher.run(images[0]).is_warm
    cold = Dispatcher(controlled_bundle)
    for level in cold.levels:
        cold(images[0], level.utilization)
    assert not cold.run(images[0]).is_warm  # the controller was loaded for it
    assert cold.run(images[0]).is_warm


def test_choices_are_no_switches_in_the_log(controlled, images, caplog):
    with caplog.at_level(logging.INFO, "tnn_tflite"):
        for image in images:
            controlled(image)
    assert caplog.records == []


def test_the_memory_limit_counts_it(controlled_bundle, images):
    whole = Dispatcher(controlled_bundle, memory_limit=10**9)
    whole.warm_up()
    pools = [*whole._network.pools, whole.controller._pool]
    needs = [pool.loaded.memory for pool in pools]
    assert min(needs) > 0
    tight = Dispatcher(controlled_bundle, memory_limit=max(needs) + needs[-1] - 1)
    for _ in range(2):
        np.testing.assert_array_equal(tight(images), whole(images))
    held = [pool.loaded for pool in [*tight._network.pools, tight.controller._pool]]
    assert sum(one.memory for one in held) <= max(needs) + needs[-1] - 1
    assert held[-1].content is not None  # evicted or not, its file is not read again


def test_threads_share_it(controlled, images):
    expected = [controlled(image) for image in images]

    def work(seed):
        for call in range(50):
            index = (seed + call) % len(images)
            np.testing.assert_array_equal(controlled(images[index]), expected[index])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_a_dropped_dispatcher_drops_it(controlled_bundle, images):
    dispatcher = Dispatcher(controlled_bundle)
    dispatcher(images)
    dropped = weakref.ref(dispatcher.controller)
    gc.disable()
    try:
        del dispatcher
        assert dropped() is None
    finally:
        gc.enable()


WRONG = {
    "another input": (
        lambda program: program["inputs"][0].update(shape=[4, 4, 3]),
        "a controller that reads what the levels read, .*shape=\\(8, 8, 3\\).* Received: .*\\(4, 4",
    ),
    "another number of levels": (
        lambda program: program["outputs"][0].update(shape=[4]),
        r"a number for each of the 3 levels. Received: shape \(4,\)",
    ),
    "no choice": (
        lambda program: program["outputs"][0].update(name="scores"),
        "an output 'choice' of the controller.* Received: none",
    ),
    "another answer": (
        lambda program: program["outputs"].append(
            {"name": "answer", "shape": [5], "dtype": "float32"}
        ),
        r"than 'answer', which is that of a level.* Received: .*shape=\(5,\)",
    ),
}


@pytest.fixture
def to_change(controlled_bundle, tmp_path):
    return shutil.copytree(controlled_bundle, tmp_path / "bundle")


@pytest.mark.parametrize(("edit", "message"), WRONG.values(), ids=list(WRONG))
def test_a_manifest_whose_controller_does_not_fit(to_change, edit, message):
    manifest = json.loads((to_change / "manifest.json").read_text())
    del manifest["manifest_sha256"]
    edit(manifest["programs"][0])
    (to_change / "manifest.json").write_text(json.dumps(manifest))
    for read in (read_bundle, Dispatcher):
        with pytest.raises(BundleError, match=message):
            read(to_change)


def test_two_controllers(to_change):
    manifest = json.loads((to_change / "manifest.json").read_text())
    del manifest["manifest_sha256"]
    manifest["programs"].append({**manifest["programs"][0], "name": "other", "file": "o.tflite"})
    (to_change / "manifest.json").write_text(json.dumps(manifest))
    shutil.copy(to_change / "controller.tflite", to_change / "o.tflite")
    with pytest.raises(BundleError, match="at most one controller. Received: 2"):
        read_bundle(to_change)


def test_a_missing_or_damaged_file(to_change):
    path = to_change / "controller.tflite"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match="SHA-256 .* of 'controller.tflite'"):
        Dispatcher(to_change, trial=False)
    path.unlink()
    with pytest.raises(BundleError, match="a file 'controller.tflite'. Received: no such file"):
        Dispatcher(to_change)


def test_the_trial_runs_it(to_change):
    """A file that is no network, with a hash that vouches for it: the child finds out."""
    manifest = json.loads((to_change / "manifest.json").read_text())
    del manifest["manifest_sha256"]
    level = next(one for one in manifest["programs"] if one["name"] == "u0.25")
    (to_change / "controller.tflite").write_bytes((to_change / level["file"]).read_bytes())
    manifest["programs"][0].update(sha256=level["sha256"], bytes=level["bytes"])
    (to_change / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="tensors .*'choice'.* in 'controller.tflite'"):
        Dispatcher(to_change)
