"""Exits at several levels in one bundle: (u, exit) are the operating points."""

import re
import shutil

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from networks_with_exits import SHAPE, head, images
from tnn_tflite import BundleError, Dispatcher, calibrate, convert, policies, read_bundle
from tnn_tflite.command import main
from tnn_tflite.latency.table import DeviceTable
from tnn_tflite.latency.table_file import write_table
from tnn_tflite.lint import lint

LEVELS, EXITS = (0.25, 0.5, 1.0), ("first", "scores")
POINTS = [(u, exit) for u in LEVELS for exit in EXITS]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    image, u = keras.Input(SHAPE, name="image"), keras.Input((1,), name="utilization")
    gates = tnn.gates.Nested(4)(u)
    layers = [tnn.layers.ThrottleableConv2D(8, 3, num_groups=4) for _ in range(2)]
    x = keras.layers.ReLU()(layers[0]([image, gates]))
    y = keras.layers.ReLU()(layers[1]([x, gates]))
    return keras.Model([image, u], [head(x, "first"), head(y, "scores")])


@pytest.fixture(scope="module")
def directory(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exits") / "bundle"
    return convert(model, folder, LEVELS, exits=True, verbose=False).directory


@pytest.fixture(scope="module")
def dispatcher(directory):
    return Dispatcher(directory)


@pytest.fixture(scope="module")
def expected(model):
    """By level and exit."""
    found = {}
    for u in LEVELS:
        answers = model([images(), np.full((5, 1), u, "float32")], training=False)
        found |= {(u, exit): np.asarray(y) for exit, y in zip(EXITS, answers, strict=True)}
    return found


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)  # Keras' kernels and TFLite's


def with_times(directory, dispatcher, milliseconds, accuracies=None, **arguments):
    """A dispatcher whose table says what each operating point takes."""
    path = directory.parent / "table.json"
    seconds = np.array([milliseconds]) / 1000
    u = [point.utilization for point in dispatcher.levels]
    table = DeviceTable.from_times(dispatcher.conditions, u, seconds, accuracies=accuracies)
    write_table(path, table)
    return Dispatcher(directory, table=path, **arguments)


def test_each_level_is_what_materialize_cuts(model, dispatcher, expected):
    assert [(one.utilization, one.name) for one in dispatcher.levels] == POINTS
    for u in LEVELS:
        whole = dispatcher.level_for(u)
        assert whole.macs == tnn.count_macs(tnn.materialize(model, u))
        close(dispatcher(images(), u), expected[u, "scores"])
        for exit in EXITS:
            close(dispatcher(images()[0], u, exit=exit), expected[u, exit][0])
    close(dispatcher(images()), expected[1.0, "scores"])
    close(dispatcher(images(), 0.1), expected[0.25, "scores"])  # below the lowest: that as a whole
    mixed = dispatcher(images(), [1.0, 0.5, 0.7, 0.1, 0.25])
    close(mixed, [expected[u, "scores"][i] for i, u in enumerate((1.0, 0.5, 0.5, 0.25, 0.25))])


def test_what_a_result_says(dispatcher):
    result = dispatcher.run(images(), 0.5, exit="first")
    assert (result.utilization, result.exit) == (0.5, "first")
    assert result.macs == 5 * dispatcher.levels[2].macs
    assert result.reason == "exit 'first' at u=0.5, fixed by the caller"
    assert dispatcher.run(images(), exit="first").utilization == 1.0


def test_anytime_at_a_level(dispatcher, expected):
    for u in (*LEVELS, None):
        results = list(dispatcher.anytime(images(), utilization=u))
        assert [(one.utilization, one.exit) for one in results] == [(u or 1.0, e) for e in EXITS]
        for result in results:
            close(result.outputs, expected[result.utilization, result.exit])
    assert results[0].reason == "exit 'first' at u=1, 1 of 2"
    assert list(dispatcher.anytime(images(), 1e-6, utilization=0.5)) == []


def test_a_budget_on_a_level(directory, dispatcher, expected):
    known = with_times(directory, dispatcher, (10, 20, 20, 2_000, 50, 5_000))
    result = known.run(images()[0], 0.5, budget_ms=500.0)
    assert (result.utilization, result.exit) == (0.5, "first")
    assert "exit 'scores' at u=0.5 would take 1980.000 ms more" in result.reason
    close(result.outputs, expected[0.5, "first"][0])
    result = known.run(images()[0], 0.5, budget_ms=10_000.0)
    assert (result.exit, result.reason.endswith("nothing behind it")) == ("scores", True)
    with pytest.raises(ValueError, match="more than the 20.000 ms .* exit 'first' at u=0.5"):
        known.run(images()[0], 0.5, budget_ms=15.0)


def test_a_budget_chooses_level_and_exit(directory, dispatcher, expected):
    """Without accuracies: what fits and computes most."""
    known = with_times(directory, dispatcher, (100, 200, 150, 400, 500, 1_000))
    for budget, point in (
        (2_000.0, (1.0, "scores")),
        (900.0, (1.0, "first")),
        (450.0, (0.5, "scores")),
        (290.0, (0.5, "first")),
        (110.0, (0.25, "first")),
    ):
        result = known.run(images()[0], budget_ms=budget)
        assert (result.utilization, result.exit) == point
        level = known.level_for(budget_ms=budget)
        assert (level.utilization, level.name) == point
        close(known(images()[0], budget_ms=budget), expected[point][0])
    assert [r.utilization for r in known.anytime(images()[0], 450.0)] == [0.5, 0.5]
    assert known.run(images(), budget_ms=2_000.0).utilization == 0.5  # 5 samples: 400 ms each
    with pytest.raises(ValueError, match="more than the 100.000 ms"):
        known.run(images()[0], budget_ms=50.0)


def test_more_is_what_computes_more():
    """A lower level that runs to its end may compute more than the first exit of a higher one."""
    points = (("first", 0.5, 10), ("last", 0.5, 40), ("first", 1.0, 30), ("last", 1.0, 90))
    known = [
        policies.KnownLevel(u, macs, 1, 1, milliseconds=macs / 10, exit=exit)
        for exit, u, macs in points
    ]
    for budget, chosen in ((2.0, ("first", 0.5)), (3.5, ("first", 1.0)), (8.0, ("last", 0.5))):
        choice = policies.LatencyBudget(budget).choose(known, {})
        assert (choice.exit, choice.utilization) == chosen
    assert "exit 'last' at u=1 would take 9.000 ms" in choice.reason


def test_a_level_is_told_by_what_nine_of_ten_take(directory, dispatcher):
    """As calls do: two of ten at the higher levels take longer than the budget."""
    path, u = directory.parent / "spread.json", [one.utilization for one in dispatcher.levels]
    seconds = np.full((10, 6), 0.1)
    seconds[8:, 2:] = 0.3  # the median is as of the others
    write_table(path, DeviceTable.from_times(dispatcher.conditions, u, seconds))
    known = Dispatcher(directory, table=path)
    assert known.level_for(budget_ms=200.0).utilization == 0.25
    assert known.run(images()[0], budget_ms=200.0).utilization == 0.25


def test_where_accuracies_are_known_the_best_that_fits(directory, dispatcher):
    times = (100, 200, 150, 400, 300, 1_000)
    known = with_times(directory, dispatcher, times, (0.5, 0.6, 0.7, 0.8, 0.9, 0.95))
    result = known.run(images()[0], budget_ms=350.0)
    assert (result.utilization, result.exit) == (1.0, "first")
    assert "of 350.000 ms, as far as it was to go" in result.reason
    assert known.run(images()[0], budget_ms=250.0).utilization == 0.5
    even = with_times(directory, dispatcher, times, (0.5, 0.9, 0.7, 0.8, 0.9, 0.9))
    assert even.run(images()[0], budget_ms=9e3).utilization == 0.25  # of equal ones the cheapest
    policy = policies.LatencyBudget(350.0)
    led = with_times(directory, dispatcher, times, (0.5, 0.6, 0.7, 0.8, 0.9, 0.95), policy=policy)
    result = led.run(images()[0])
    assert (result.utilization, result.exit) == (1.0, "first")
    assert result.reason.startswith("exit 'first' at u=1 takes 300.000 ms of the budget")


def test_accuracies_in_the_bundle(model, tmp_path):
    levels = (0.5, 1.0)
    told = {(0.5, "first"): 0.7, (0.5, "scores"): 0.8, (1.0, "first"): 0.9, (1.0, "scores"): 0.9}
    out = tmp_path / "bundle"
    bundle = convert(model, out, levels, exits=True, accuracies=told, verbose=False)
    assert {(one.utilization, one.name): one.accuracy for one in bundle.points} == told
    dispatcher = Dispatcher(out)
    assert dispatcher.run(images()[0], budget_ms=1e4).exit == "first"  # as good, and cheaper
    measured = with_times(out, dispatcher, (1, 2, 3, 4), (0.5, 0.6, 0.7, 0.8))
    assert measured.run(images()[0], budget_ms=1e4).exit == "scores"  # what this device found
    wrong = ({**told, (1.0, "first"): 1.2}, {(0.5, "first"): 0.7}, {})
    for one in wrong:
        with pytest.raises(ValueError, match=r"`accuracies`. Expected a number in \[0, 1\] for"):
            convert(model, out, levels, exits=True, accuracies=one, verbose=False)
    with pytest.raises(ValueError, match="`accuracies`. Expected None for a network without exits"):
        convert(model, out, levels, exits=False, accuracies=told, verbose=False)
    assert read_bundle(out) == bundle


def test_policies_of_levels_see_levels(directory, expected):
    """Escalation climbs whole levels, each of which begins at the input."""
    shown = []

    def lowest(levels, inputs):
        shown.append([(one.utilization, one.exit) for one in levels])
        return levels[0].utilization

    close(Dispatcher(directory, policy=lowest)(images()), expected[0.25, "scores"])
    assert shown == [[(u, "scores") for u in LEVELS]]
    unsure = Dispatcher(directory, policy=policies.Escalate([1.0, 1.0]))
    result = unsure.run(images())
    close(result.outputs, expected[1.0, "scores"])
    assert result.macs == 5 * sum(unsure.level_for(u).macs for u in LEVELS)
    assert [one.name for one in result.levels] == ["scores"] * 3


def test_a_table_has_all_points(directory, dispatcher, tmp_path, capsys):
    table = calibrate(dispatcher, rounds=3, labelled=(images(), np.zeros(5, int)))
    assert [(one.utilization, one.exit) for one in table.levels] == POINTS
    assert [line.split()[:2] for line in str(table).splitlines()[1:]] == [
        [f"{u:g}", exit] for u, exit in POINTS
    ]
    assert all(one.accuracy is not None for one in table.levels)
    assert Dispatcher(directory).run(images()[0], budget_ms=1e4).expected_milliseconds > 0
    assert main(["levels", str(directory), "--measure", "--repeats=3"]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [[f"{u:g}", exit] for u, exit in POINTS]
    np.save(tmp_path / "image.npy", images()[0])
    arguments = ["--repeats=1", "--utilization=0.5", "--budget_ms=1000"]
    assert main(["run", str(directory), str(tmp_path / "image.npy"), *arguments]) == 0
    assert capsys.readouterr().out.startswith("exit      scores, u=0.5 for utilization=0.5 ")


def test_lint_reads_all_levels(directory):
    report = lint(directory, "xnnpack")
    assert (report.failed, report.levels, report.kind) == (False, 6, "programs")


def test_int8_and_memory(model, tmp_path):
    arguments = {"quantization": "int8", "representative_data": images(20), "verbose": False}
    bundle = convert(model, tmp_path / "bundle", (0.5, 1.0), exits=True, **arguments)
    assert {spec.dtype for one in bundle.segments for spec in one.outputs[1:]} == {"int8"}
    limit = 2 * max(one.bytes for one in bundle.segments)
    free, bounded = Dispatcher(bundle.directory), Dispatcher(bundle.directory, memory_limit=limit)
    for point in free.levels:
        u = np.full((5, 1), point.utilization, "float32")
        answer = model([images(), u], training=False)[EXITS.index(point.name)]
        found = free(images(), **point.arguments)
        np.testing.assert_allclose(found, answer, atol=0.05)  # of answers about 1
        np.testing.assert_array_equal(bounded(images(), **point.arguments), found)


def test_convert_tells_of_levels(model, tmp_path, capsys):
    convert(model, tmp_path / "bundle", (0.5, 1.0), exits=True)
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"u=0.5  1/2  up to exit 'first': [\d,]+ MACs", lines[0])
    assert len(lines) == 4
    one = convert(model, tmp_path / "bundle", (0.5,), exits=True, verbose=False)
    assert {program.role for program in one.programs} == {"segment"}  # as before there were levels
    assert [one.name for one in read_bundle(one.directory).points] == list(EXITS)


def test_a_segment_of_another_level(directory, tmp_path):
    bundle = shutil.copytree(directory, tmp_path / "bundle")
    files = [one.file for one in read_bundle(bundle).segments]
    shutil.copy(bundle / files[2], bundle / files[0])
    with pytest.raises(BundleError, match=f"(SHA-256|bytes in) .*{files[0]}"):
        Dispatcher(bundle)
    (bundle / files[0]).unlink()
    with pytest.raises(BundleError, match=f"a file '{files[0]}'. Received: no such file"):
        Dispatcher(bundle)


def test_bad_arguments(dispatcher, shared_bundle):
    x = images()[0]
    with pytest.raises(ValueError, match=r"`exit`. Expected one of \['first', 'scores'\] at u=0.5"):
        dispatcher(x, 0.5, exit="second")
    with pytest.raises(ValueError, match="either `exit` or `budget_ms`.*exit='first'"):
        dispatcher(x, budget_ms=3.0, exit="first")
    with pytest.raises(ValueError, match=r"`utilization`. Expected a float in \(0, 1\]"):
        dispatcher.anytime(x, utilization=0.0)
    with pytest.raises(ValueError, match=r"`utilization`. Expected a float in \(0, 1\]"):
        dispatcher(x[None], [0.5], exit="first")
    with pytest.raises(ValueError, match="Invalid value for `budget_ms`"):
        dispatcher(x, 0.5, budget_ms=0)
    levels = Dispatcher(shared_bundle)
    x = np.zeros(levels.bundle.inputs[0].shape, "float32")
    with pytest.raises(ValueError, match="`exit`. Expected none, as the network has no exits"):
        levels(x, 0.5, exit="first")
    with pytest.raises(ValueError, match="either `utilization` or `budget_ms`"):
        levels.run(x, 0.5, budget_ms=3.0)
