"""The README's example: train on handwritten digits, look at the levels, ship them, turn the dial.

python examples/quickstart.py
"""


def main() -> None:
    from sklearn.datasets import load_digits

    import keras_tnn as tnn
    import tnn_tflite

    digits = load_digits()  # 1,797 handwritten digits of 8x8 pixels
    x, y = digits.images[..., None].astype("float32") / 16, digits.target
    x_train, y_train, x_test, y_test = x[:1400], y[:1400], x[1400:], y[1400:]
    levels = (0.25, 0.5, 1.0)

    model = tnn.models.VGG((8, 8, 1), 10, num_groups=8, filters=((32, 32), (64,)), dense_units=64)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=10, callbacks=[tnn.callbacks.SandwichRule(levels)])
    print(tnn.evaluate_levels(model, x_test, y_test, levels, calibration_data=x_train))

    tnn_tflite.convert(model, "bundle", levels, calibration_data=x_train)
    dispatcher = tnn_tflite.Dispatcher("bundle")  # needs numpy and a TFLite interpreter only
    for u in levels:
        print(u, dispatcher(x_test[0], utilization=u).argmax(), "is", y_test[0])


if __name__ == "__main__":
    main()
