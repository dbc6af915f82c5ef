"""A bundle of segments: exit after exit, by a budget, by certainty."""

import time

import numpy as np
import pytest

from networks_with_exits import EXITS, SHAPE, images, make_network_with_exits
from tnn_tflite import Dispatcher, calibrate, convert, dequantize, evaluate_bundle, policies
from tnn_tflite.dispatch.segment_answers import segment_milliseconds

LABELS = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def network():
    return make_network_with_exits()


@pytest.fixture(scope="module")
def directory(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exits") / "bundle"
    convert(network, folder, exits=True, labels=LABELS, verbose=False)
    return folder


@pytest.fixture(scope="module")
def dispatcher(directory):
    return Dispatcher(directory)


@pytest.fixture(scope="module")
def expected(network):
    return [np.asarray(one) for one in network(images(), training=False)]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)  # Keras' kernels and TFLite's


def test_all_segments_are_the_network(dispatcher, expected):
    close(dispatcher(images()), expected[-1])
    close(dispatcher(images()[0]), expected[-1][0])
    assert dispatcher.labels == LABELS
    assert dispatcher(images(0)).shape == (0, 4)


def test_anytime_gives_exit_after_exit(dispatcher, expected, network):
    x = images()
    results = list(dispatcher.anytime(x))
    assert [result.exit for result in results] == list(EXITS)
    for result, answer in zip(results, expected, strict=True):
        close(result.outputs, answer)
    macs = [result.macs for result in results]
    assert macs == [len(x) * level.macs for level in dispatcher.levels]
    assert dispatcher.levels[-1].utilization == 1.0
    assert results[1].reason == "exit 'second', 2 of 3"
    assert results[1].levels == dispatcher.levels[:2]
    times = [result.milliseconds for result in results]
    assert times == sorted(times)


def test_who_stops_runs_nothing_more(directory, expected):
    dispatcher = Dispatcher(directory)
    runs = []
    for pool in dispatcher._network.pools:
        load = pool._load
        pool._load = lambda load=load, pool=pool: runs.append(pool._program.name) or load()
    for result in dispatcher.anytime(images()[0]):
        close(result.outputs, expected[0][0])
        break
    assert runs == ["first"]
    results = dispatcher.anytime(images()[0])
    next(results)
    results.close()  # as good as a break
    assert list(results) == []
    assert runs == ["first"]


def test_a_deadline_that_is_over(dispatcher):
    results = dispatcher.anytime(images()[0], deadline_ms=10_000.0)
    assert next(results).exit == "first"
    slow = dispatcher.anytime(images()[0], deadline_ms=50.0)
    assert next(slow).exit == "first"
    time.sleep(0.06)  # whoever reads is slow: the clock goes on
    assert list(slow) == []
    assert list(dispatcher.anytime(images()[0], deadline_ms=1e-6)) == []


def with_times(directory, dispatcher, milliseconds):
    """A dispatcher whose table says what calls take that end in each exit."""
    from tnn_tflite.latency.table import DeviceTable
    from tnn_tflite.latency.table_file import write_table

    path = directory.parent / "table.json"
    seconds = np.array([milliseconds]) / 1000
    u = [level.utilization for level in dispatcher.levels]
    write_table(path, DeviceTable.from_times(dispatcher.conditions, u, seconds))
    return Dispatcher(directory, table=path)


def test_no_segment_starts_that_does_not_fit(directory, dispatcher, expected):
    known = with_times(directory, dispatcher, (40.0, 200.0, 2_000.0))
    result = known.run(images()[0], budget_ms=500.0)
    assert result.exit == "second"
    close(result.outputs, expected[1][0])
    assert "of 500.000 ms, exit 'scores' would take 1800.000 ms more" in result.reason
    assert result.expected_milliseconds == pytest.approx(200.0)
    assert known.run(images()[0], budget_ms=150.0).exit == "first"
    assert known.run(images()[0], budget_ms=5000.0).exit == "scores"
    assert "nothing behind it" in known.run(images()[0], budget_ms=5000.0).reason
    assert known.run(images(), budget_ms=290.0).exit == "first"  # of five samples: 200 and 800 ms
    close(known(images()[0], budget_ms=150.0), expected[0][0])
    assert [r.exit for r in known.anytime(images()[0], deadline_ms=500.0)] == ["first", "second"]
    assert known.level_for(budget_ms=210.0).name == "second"


def test_what_has_to_be_left():
    """Where calls vary, the time of nine of ten has to be left, from where the usual call is."""
    known = [
        policies.KnownLevel(0.5, 1, 1, 1, milliseconds=10.0, percentile_90=13.0),
        policies.KnownLevel(1.0, 2, 2, 2, milliseconds=18.0, percentile_90=25.0),
    ]
    assert segment_milliseconds(known) == [10.0, 8.0]
    assert segment_milliseconds(known, percentile=90) == [13.0, 15.0]


def test_a_budget_below_the_first_segment(directory, dispatcher):
    known = with_times(directory, dispatcher, (40.0, 60.0, 2_000.0))
    message = r"more than the 40.000 ms that it takes here to exit 'first', .* budget_ms=30.0"
    with pytest.raises(ValueError, match=message):
        known(images()[0], budget_ms=30.0)


def test_a_share_of_the_network(dispatcher, expected):
    """The utilization of an exit is its share of the MACs."""
    low, middle, high = (level.utilization for level in dispatcher.levels)
    assert 0 < low < middle < high == 1.0
    close(dispatcher(images(), utilization=middle), expected[1])
    close(dispatcher(images(), utilization=0.99), expected[1])
    close(dispatcher(images(), utilization=1e-3), expected[0])
    mixed = dispatcher(images(), [low, high, middle, low, high])
    close(mixed, [expected[exit][i] for i, exit in enumerate((0, 2, 1, 0, 2))])


def test_a_share_and_a_budget(directory, dispatcher):
    """Both hold: the share says how far a call may go, the clock how long."""
    known = with_times(directory, dispatcher, (40.0, 200.0, 2_000.0))
    share = dispatcher.levels[1].utilization
    assert known.run(images()[0], share, budget_ms=5000.0).exit == "second"
    assert known.run(images()[0], share, budget_ms=150.0).exit == "first"
    assert [one.exit for one in known.anytime(images()[0], utilization=share)] == list(EXITS[:2])
    assert dispatcher.run(images()[0], exit="second").utilization == share


def test_samples_stop_where_they_are_sure(directory, expected):
    certainty = [policies.certainty_of(one) for one in expected[:2]]
    thresholds = [float(np.median(one)) for one in certainty]
    dispatcher = Dispatcher(directory, policy=policies.Escalate(thresholds))
    result = dispatcher.run(images())
    stops = [
        next((i for i in (0, 1) if certainty[i][sample] >= thresholds[i]), 2) for sample in range(5)
    ]
    assert len(set(stops)) > 1
    assert [dispatcher.level_for(u).name for u in result.utilizations] == [EXITS[i] for i in stops]
    close(result.outputs, [expected[exit][i] for i, exit in enumerate(stops)])
    # Who goes on pays for what comes next, not for the beginning again.
    assert result.macs == sum(dispatcher.levels[i].macs for i in stops)
    assert "first" in result.reason or "not sure" in result.reason
    for sample, stop in enumerate(stops):
        assert dispatcher.run(images()[sample]).exit == EXITS[stop]


def test_a_table_of_this_device(directory, expected):
    dispatcher = Dispatcher(directory)
    table = calibrate(dispatcher, rounds=3, labelled=(images(), expected[-1].argmax(axis=-1)))
    assert len(table.levels) == 3
    assert table.levels[-1].accuracy == 1.0
    assert Dispatcher(directory).run(images()[0], budget_ms=1e4).expected_milliseconds > 0


def test_exits_are_evaluated_like_levels(dispatcher, expected):
    y = expected[-1].argmax(axis=-1)
    table = evaluate_bundle(dispatcher, images(), y)
    assert [row.name for row in table.rows] == list(EXITS)
    right = [float(np.mean(one.argmax(axis=-1) == y)) for one in expected]
    assert [row.accuracy for row in table.rows] == right
    assert str(table).splitlines()[1].split()[:2] == [f"{table.rows[0].utilization:.3f}", "first"]
    assert table.fitting(accuracy=1.0)[-1].name == "scores"


def test_int8_segments_hand_on_integers(network, tmp_path):
    bundle = convert(
        network,
        tmp_path / "bundle",
        exits=True,
        quantization="int8",
        representative_data=images(20),
        verbose=False,
    )
    handed = [spec.dtype for one in bundle.segments for spec in one.outputs[1:]]
    assert len(handed) >= 3
    assert set(handed) == {"int8"}
    assert {spec.dtype for spec in (*bundle.inputs, *bundle.outputs)} == {"float32"}
    dispatcher = Dispatcher(bundle.directory)
    for result, answer in zip(dispatcher.anytime(images()), network(images()), strict=True):
        np.testing.assert_allclose(result.outputs, answer, atol=0.05)  # of answers about 1
    low_memory = Dispatcher(
        bundle.directory, memory_limit=2 * max(p.bytes for p in bundle.segments)
    )
    np.testing.assert_array_equal(low_memory(images()), dispatcher(images()))


def test_int8_inputs_and_outputs(network, tmp_path):
    bundle = convert(
        network,
        tmp_path / "bundle",
        exits=True,
        quantization="int8",
        representative_data=images(20),
        inference_type="int8",
        verbose=False,
    )
    dispatcher = Dispatcher(bundle.directory)
    x = np.zeros(SHAPE, "int8")
    for result in dispatcher.anytime(x):
        (scale,) = result.level.output_quantization
        assert np.isfinite(dequantize(result.outputs, scale)).all()
        assert result.outputs.dtype == np.int8
    assert [one.input_quantization for one in bundle.points] == [
        bundle.segments[0].input_quantization
    ] * 3
    (first,) = bundle.points[0].output_quantization
    sure = policies.certainty_of(dequantize(next(dispatcher.anytime(x)).outputs[None], first))[0]
    for threshold, exit in ((sure, "first"), (np.nextafter(sure, 1), "second")):
        policy = policies.Escalate([threshold, 0.0])
        assert Dispatcher(bundle.directory, policy=policy).run(x).exit == exit


def test_a_bundle_of_levels_has_no_exits(shared_bundle):
    with pytest.raises(ValueError, match="Expected a network with exits.* Received: levels"):
        Dispatcher(shared_bundle).anytime(images()[0])


def test_bad_arguments(dispatcher):
    with pytest.raises(ValueError, match="Invalid value for `deadline_ms`"):
        dispatcher.anytime(images()[0], deadline_ms=0)
    with pytest.raises(ValueError, match="Invalid value for `x`"):
        dispatcher.anytime(images()[0].astype("float64"))
