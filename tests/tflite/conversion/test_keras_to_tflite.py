"""A plain Keras model keeps its outputs, names and shapes on the way to TFLite."""

import keras
import numpy as np
import pytest

from tnn_tflite import Dispatcher, TensorSpec
from tnn_tflite.bundle.writer import write_bundle
from tnn_tflite.conversion.converter import level_content
from tnn_tflite.conversion.keras_to_tflite import keras_to_tflite, tensor_names


def dispatcher_for(model, directory):
    write_bundle(directory, [level_content(model, 1.0)])
    return Dispatcher(directory)


def test_every_usual_layer(tmp_path):
    """Weights are inside the file: a converter that lost them would give other numbers."""
    image = keras.Input((12, 12, 3), name="image")
    x = keras.layers.ZeroPadding2D(1)(image)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(max_value=6)(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", activation="swish")(x)
    y = keras.layers.SeparableConv2D(8, 3, padding="same")(y)
    x = keras.layers.Concatenate()([keras.layers.Add()([x, y]), x])
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(8, 3, groups=4, padding="same")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(5, activation="softmax", name="classes")(x))
    random = np.random.default_rng(0)
    for weight in model.get_layer("norm").weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    images = random.normal(size=(4, 12, 12, 3)).astype("float32")
    expected = model.predict(images, verbose=0)
    # float32 sums in another order than Keras, over some thousand terms; values are below 1.
    np.testing.assert_allclose(dispatcher_for(model, tmp_path / "b")(images), expected, atol=1e-5)


def test_sequential(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    x = np.ones((2, 3), "float32")
    expected = model.predict(x, verbose=0)
    # Three terms a sum.
    np.testing.assert_allclose(dispatcher_for(model, tmp_path / "b")(x), expected, atol=1e-6)


def test_several_inputs_and_outputs(tmp_path):
    image, age = keras.Input((2, 2), name="image"), keras.Input((), name="age", dtype="int32")
    flat = keras.layers.Flatten()(image)
    years = keras.ops.cast(age, "float32")
    total = keras.layers.Dense(3, name="zeta")(flat)
    older = keras.layers.Dense(1, name="alpha")(keras.ops.expand_dims(years, -1))
    model = keras.Model([image, age], [total, older])
    dispatcher = dispatcher_for(model, tmp_path / "bundle")
    bundle = dispatcher.bundle
    # The order is that of Keras, not of the alphabet.
    assert bundle.inputs == (
        TensorSpec("image", (2, 2), "float32"),
        TensorSpec("age", (), "int32"),
    )
    assert [(spec.name, spec.shape) for spec in bundle.outputs] == [("zeta", (3,)), ("alpha", (1,))]
    x = {"image": np.random.rand(3, 2, 2).astype("float32"), "age": np.array([1, 2, 3], "int32")}
    expected = dict(zip(["zeta", "alpha"], model.predict(x, verbose=0), strict=True))
    for inputs in (x, [x["image"], x["age"]]):
        outputs = dispatcher(inputs)
        assert list(outputs) == ["zeta", "alpha"]
        for name, output in outputs.items():
            # At most four terms a sum.
            np.testing.assert_allclose(output, expected[name], atol=1e-6)
    one = dispatcher({"image": x["image"][0], "age": x["age"][0:1].reshape(())})
    assert [output.shape for output in one.values()] == [(3,), (1,)]


def test_dictionary_inputs_and_outputs(tmp_path):
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    difference = keras.layers.Subtract()([left, right])
    total = keras.layers.Add()([left, right])
    model = keras.Model({"right": right, "left": left}, {"total": total, "difference": difference})
    dispatcher = dispatcher_for(model, tmp_path / "bundle")
    outputs = dispatcher(
        {"left": np.array([3, 4], "float32"), "right": np.array([1, 1], "float32")}
    )
    np.testing.assert_array_equal(outputs["difference"], [2, 3])
    np.testing.assert_array_equal(outputs["total"], [4, 5])


def test_an_output_of_one_number(tmp_path):
    x = keras.Input((3,), name="x")
    dispatcher = dispatcher_for(keras.Model(x, keras.ops.sum(x, axis=-1)), tmp_path / "bundle")
    values = np.arange(6, dtype="float32").reshape(2, 3)
    np.testing.assert_array_equal(dispatcher(values), [3, 12])
    assert dispatcher(values[0]).shape == ()


@pytest.mark.parametrize("name", ["my image", "Image:0", "_private", "2nd", "a.b-c"])
def test_unusual_names(tmp_path, name):
    x = keras.Input((2,), name=name)
    model = keras.Model(x, keras.layers.Rescaling(2.0)(x))
    dispatcher = dispatcher_for(model, tmp_path / "bundle")
    np.testing.assert_array_equal(dispatcher(np.ones(2, "float32")), [2, 2])
    assert dispatcher.bundle.inputs[0].name == tensor_names([name])[0]


def test_names_are_those_of_layers_not_of_tensors():
    """Keras counts its tensors on; levels of one network must agree."""
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2)(x))
    names = [specs[0].name for specs in keras_to_tflite(model)[1:]]
    assert names == [layer.name for layer in model.layers]


def test_only_builtin_operators_and_float32():
    content, inputs, outputs = keras_to_tflite(
        keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    )
    assert b"Flex" not in content and b"READ_VARIABLE" not in content
    assert (inputs[0].dtype, outputs[0].dtype) == ("float32", "float32")


def test_another_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="Received: jax. Save the model, set KERAS_BACKEND=tensor"):
        keras_to_tflite(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))


def test_unknown_input_shape():
    x = keras.Input((None, None, 3), name="image")
    model = keras.Model(x, keras.layers.GlobalAveragePooling2D()(x))
    with pytest.raises(ValueError, match=r"Expected fixed input shapes.*None.* for 'image'"):
        keras_to_tflite(model)


def test_batch_axis_must_come_first():
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.ops.transpose(x))
    with pytest.raises(ValueError, match=r"batch axis first .* Received: shape=\(3, 1\)"):
        keras_to_tflite(model)


def test_operator_without_a_builtin():
    x = keras.Input((4, 4), name="clip")
    model = keras.Model(x, keras.ops.inv(x), name="video")
    with pytest.raises(ValueError, match="built-in operators for. Received: 'video'"):
        keras_to_tflite(model)
