"""Any network that is throttled can be put into one file, and its levels come out of it."""

from dataclasses import replace

import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_tnn as tnn
from random_networks import HEADS, STEPS, network
from tnn_tflite.conversion.converter import level_content, write_levels
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.quantization.plan import plan_for
from tnn_tflite.sharing.kernels import Kernel

IMAGES = np.random.default_rng(1).normal(size=(8, 8, 8, 3)).astype("float32")


def contents_of(model, axes):
    dialled = tnn.throttle(model, num_groups=4, axes=axes)
    cuts = {u: tnn.surgery.cut_out(dialled, u, calibration_data=IMAGES) for u in (0.5, 1.0)}
    plan = plan_for("int8", IMAGES, "float32", cuts[1.0].model, keep_float=True)
    return [level_content(cut.model, u, plan, cut.slices) for u, cut in cuts.items()]


def of_unknown_source(level):
    return replace(level, kernels=tuple(Kernel(kernel.values) for kernel in level.kernels))


def outputs_of(content):
    run = find_runtime().interpreter(content).get_signature_runner()
    return np.concatenate([next(iter(run(image=image[None]).values())) for image in IMAGES])


@settings(max_examples=4)
@given(STEPS, HEADS, st.sampled_from([("width",), ("width", "depth")]))
def test_levels_out_of_one_file(tmp_path_factory, steps, head, axes):
    int8 = contents_of(network(steps, head), axes)
    folder = tmp_path_factory.mktemp("layouts")
    hashes = [
        [level.sha256 for level in write_levels(folder / layout, int8, layout).levels]
        for layout in ("files", "single", "signatures")
    ]
    assert hashes[0] == hashes[1] == hashes[2]
    float32 = [replace(x, content=x.float_content, float_content=None) for x in int8]
    bundle = write_levels(folder / "float32", float32, "single")
    searched = write_levels(folder / "searched", map(of_unknown_source, float32), "single")
    assert searched.shared.sha256 == bundle.shared.sha256
    for level, content in zip(bundle.levels, float32, strict=True):
        expected = outputs_of(content.content)
        # The rounding of a factor, 6e-8, through some ten layers.
        scale = 1e-5 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(outputs_of(bundle.read_level(level)), expected, 0, scale)
    keras.backend.clear_session()
