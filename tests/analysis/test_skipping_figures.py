"""Figures of what gates skip hold what the gates of the model decided."""

import keras
import numpy as np
import pytest

import keras_tnn as tnn
from keras_tnn import gates
from keras_tnn.analysis import easy_hard_figure, feature_figure, skipping_figure

IMAGES = np.random.default_rng(0).normal(size=(24, 8, 8, 3)).astype("float32")
IMAGES *= np.linspace(0.1, 4, 24, dtype="float32")[:, None, None, None]  # gates see a difference


@pytest.fixture(scope="module")
def model():
    """Three residual blocks, each with a channel gate inside; samples differ in what they skip."""
    keras.utils.set_random_seed(0)
    made = tnn.models.ResNet(
        (8, 8, 3), 4, depth=8, width=4, num_groups=2, axis=("depth", "width"),
        gate={"depth": gates.Recurrent, "width": gates.Convolutional},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for weight in made.gate_weights:
        weight.assign(rng.normal(size=weight.shape, scale=1.5 if len(weight.shape) > 1 else 0.3))
    return made


@pytest.fixture(scope="module")
def chosen(model):
    with gates.record_decisions() as decisions:
        model(IMAGES)
    return {one.key: np.array(one.values) for one in decisions}


def heights(bars) -> list[float]:
    return [bar.get_height() for bar in bars]


def test_a_bar_a_block(model, chosen, tmp_path):
    axes = skipping_figure(model, IMAGES, path=tmp_path / "skipping.png").axes[0]
    runs = [chosen[key][:, 0] for key in ("open_blocks", "open_blocks/2", "open_blocks/3")]
    shut = [1 - chosen[f"stage{k}_block1_1_open"].mean(axis=1) for k in (1, 2, 3)]
    blocks = [1 - one.mean() for one in runs]
    channels = [(one * part).mean() for one, part in zip(runs, shut, strict=True)]
    assert len({round(float(one), 4) for one in blocks}) > 1 and max(channels) > 0
    drawn = axes.containers
    assert [one.get_label() for one in drawn] == ["block skipped", "channels skipped where it runs"]
    np.testing.assert_allclose(heights(drawn[0]), blocks, rtol=1e-6)
    np.testing.assert_allclose(heights(drawn[1]), channels, rtol=1e-6, atol=1e-9)
    assert [bar.get_y() for bar in drawn[1]] == heights(drawn[0])  # on top
    assert [(text.get_text(), text.xy[0]) for text in axes.texts] == [
        ("8x8", 1), ("4x4", 2), ("2x2", 3),
    ]  # fmt: skip
    assert (tmp_path / "skipping.png").read_bytes().startswith(b"\x89PNG")


def test_without_blocks_a_bar_is_a_gated_layer():
    """At u = 1/2 two of four groups are closed everywhere."""
    network = tnn.models.VGG((8, 8, 3), 4, num_groups=4, filters=((8, 8), (8,)), dense_units=None)
    axes = skipping_figure(network, IMAGES[:4], utilization=0.5).axes[0]
    (bars,) = axes.containers
    assert bars.get_label() == "channels skipped"
    assert heights(bars) == [0.5, 0.5, 0.5]
    assert [text.xy[0] for text in axes.texts] == [1, 3]


def test_easy_and_hard_images_stand_side_by_side(model, tmp_path):
    share = tnn.losses.MacsShare(model)
    with gates.record_decisions() as decisions:
        model(IMAGES)
    left = np.array(share(decisions))[:, 0]
    ratios = 1 - left / (1 + share.cost.gates.whole / share.cost.ungated)
    hard, easy = np.quantile([ratios.min(), ratios.max()], [0.3, 0.7])
    figure = easy_hard_figure(
        model, IMAGES, float(easy), float(hard), most=3, path=tmp_path / "easy_hard.png"
    )
    parts = {"easy": np.sort(ratios[ratios > easy])[::-1], "hard": np.sort(ratios[ratios < hard])}
    for part, (kind, expected) in zip(figure.subfigs, parts.items(), strict=True):
        assert part.get_suptitle().startswith(kind)
        assert f"({len(expected)} of 24)" in part.get_suptitle()
        drawn = [axes for axes in part.axes if axes.images]
        assert len(drawn) == min(3, len(expected)) > 0
        for axes, ratio in zip(drawn, expected, strict=False):
            assert axes.get_title() == f"{ratio:.2f}"
            picture = np.array(axes.images[0].get_array())
            number = np.abs(scaled(IMAGES) - picture).max(axis=(1, 2, 3)).argmin()
            np.testing.assert_allclose(picture, scaled(IMAGES)[number], atol=1e-6)
            assert ratios[number] == pytest.approx(ratio, abs=1e-6)
    assert (tmp_path / "easy_hard.png").read_bytes().startswith(b"\x89PNG")


def scaled(images):
    return (images - images.min()) / (images.max() - images.min())


def test_arguments_that_cannot_be(model):
    with pytest.raises(ValueError, match="Expected at most `easy`, 0.5. Received: hard=0.6"):
        easy_hard_figure(model, IMAGES, easy=0.5, hard=0.6)
    with pytest.raises(ValueError, match=r"Invalid value for `easy`. Expected a float in \[0, 1\]"):
        easy_hard_figure(model, IMAGES, easy=1.5)
    with pytest.raises(ValueError, match="Invalid value for `most`. Expected a positive"):
        easy_hard_figure(model, IMAGES, most=0)
    with pytest.raises(ValueError, match="Expected limits that some image is beyond: skipping"):
        easy_hard_figure(model, IMAGES, easy=1.0, hard=0.0)
    with pytest.raises(ValueError, match=r"Invalid value for `images`. Expected an array \(n, he"):
        easy_hard_figure(model, IMAGES[..., :2])
    plain = tnn.models.ResNet((8, 8, 3), 4, depth=8, width=4, throttled=False)
    with pytest.raises(ValueError, match="Invalid value for `model`. Expected a keras_tnn.Throt"):
        skipping_figure(plain, IMAGES)


def test_features_without_and_with_skipping(model, chosen, tmp_path):
    """A block that is skipped hands its input on, so it changes what all gates open compute."""
    number = int(np.argmin(chosen["open_blocks"][:, 0]))
    assert chosen["open_blocks"][number, 0] == 0
    path = tmp_path / "features.png"
    figure = feature_figure(model, IMAGES[number], "stage1_block1_relu", most=3, path=path)
    above, below = (figure.axes[row * 3].images[0].get_array() for row in (0, 1))
    stem = keras.Model(model.input, model.get_layer("stem_relu").output)
    channel = int(figure.axes[0].get_title().split(":")[0])
    # In one batch or alone, a convolution sums in another order.
    handed_on = np.maximum(stem.predict([IMAGES[[number]], np.ones(1)], verbose=0)[0], 0)
    np.testing.assert_allclose(below, handed_on[..., channel], rtol=1e-4, atol=1e-5)
    assert np.abs(above - below).max() > 0.01
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("layer", ["pool", "no_such_layer"])
def test_features_of_a_layer_that_has_none(model, layer):
    with pytest.raises(ValueError, match="Invalid value for `layer`. Expected the name of a layer"):
        feature_figure(model, IMAGES[0], layer)
