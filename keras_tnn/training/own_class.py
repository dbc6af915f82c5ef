"""What a subclass of `keras.Model` computes in its own way, on a graph that it has not built.

A detector's class encodes labels in `compute_loss` and decodes boxes in `predict_step`; a class
with a preprocessor maps the data that `fit` is given. These methods call `super()`, so that they
run on instances of the class alone. A throttled model, or a level of it, is therefore made an
instance: of a class whose bases are one of ours and the model's own, and which is built from
inputs and outputs, whatever the own class builds itself from.
"""

import inspect
from functools import cache
from typing import Any

import keras

# What says how a class is built, which a graph says in its place.
BUILDING = {"build", "call", "get_config", "from_config", "build_from_config", "get_build_config"}
# What `fit`, `evaluate` and `predict` leave in a model, beside what `compile` does.
LEFT_BY_FIT = {"history", "stop_evaluating", "stop_predicting", "_eval_epoch_iterator"}


class OwnClass(keras.Model):
    """A functional model that stands before a class of the user's own in the order of bases."""

    def __init__(self, inputs, outputs, name=None, **kwargs):
        functional(type(self)).__init__(self, inputs, outputs, name=name, **kwargs)

    def hold(self, own: dict[str, Any]):
        """Takes what an instance of the own class holds. The last step of making a model."""
        self.not_own = {*vars(self), "not_own"}
        for name, value in own.items():
            setattr(self, name, value)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """That of the own class, which may leave out `training`."""
        more = {"training": training} if takes_training(super().compute_loss) else {}
        return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **more)

    def get_config(self):
        saved = {
            "class": keras.saving.get_registered_name(own_class(self)),
            "own": serialized(self, attributes(self)),
        }
        return {**functional(type(self)).get_config(self), "own_class": saved}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model of the class that a config names.

        Raises:
            ValueError: if the class is not known to Keras.
        """
        config = dict(config)
        saved = config.pop("own_class", None)
        build = keras.Model.from_config.__func__
        if saved is None:
            return build(cls, config, custom_objects)
        model = build(with_class(cls, found_class(saved["class"], custom_objects)), config)
        own = keras.saving.deserialize_keras_object(saved["own"], custom_objects)
        model.hold(own)
        return model


def own_methods(model: keras.Model) -> set[str]:
    """The methods and properties of `keras.Model` that a model's class has written anew."""
    return {
        name
        for cls in type(model).__mro__
        if not from_here(cls)
        for name in vars(cls)
        if hasattr(keras.Model, name) and not name.startswith("_")
    } - BUILDING


def from_here(cls: type) -> bool:
    # With torch, every Keras model is a module of torch, too.
    return cls in keras.Model.__mro__ or cls.__module__.split(".")[0] in ("keras", "keras_tnn")


def own_class(model: keras.Model) -> type:
    """The class of the user's own that a model is an instance of."""
    return next(cls for cls in type(model).__mro__ if not from_here(cls))


def functional(cls: type) -> type:
    """Keras' class of models that are graphs, which has no public name; see `made_functional`."""
    return next(base for base in cls.__mro__ if base.__module__.split(".")[0] == "keras")


def made_functional(cls: type) -> type:
    """The class, derived from Keras' class of graphs, as it is once a graph of it was built.

    Where only one of two bases is, Keras' methods stand before those of the other.
    """
    if functional(cls) is keras.Model:
        x = keras.Input((1,))
        type("Graph", (cls,), {"__init__": keras.Model.__init__})(x, keras.layers.Identity()(x))
    return cls


@cache
def with_class(ours: type, own: type) -> type:
    """The class that is both, ours first. Keras saves it under the name of ours."""
    made_functional(OwnClass)
    bases = (ours, made_functional(own))
    both = type(ours.__name__, bases, {"__module__": ours.__module__})
    register = keras.saving.register_keras_serializable(package="keras_tnn", name=ours.__name__)
    register(both)
    register(ours)  # who is found under the name
    return both


def found_class(name: str, custom_objects) -> type:
    cls = keras.saving.get_registered_object(name, custom_objects)
    if cls is None:
        raise ValueError(
            f"The model's own class is not known. Expected '{name}' to be registered "
            "(keras.saving.register_keras_serializable) by a module that is imported before the "
            "model is loaded, or to be among `custom_objects`."
        )
    return cls


def attributes(model: keras.Model) -> dict[str, Any]:
    """What an instance holds that its class, and not Keras, has put there; but for its layers.

    Layers that are not part of the network, such as a frozen teacher, are held by both.

    Raises:
        ValueError: if weights that are not part of the network are trained.
    """
    plain = keras.Model(model.input, model.output)
    taken = model.not_own if isinstance(model, OwnClass) else set(vars(plain))
    network = {id(weight) for weight in plain.weights}
    plain.compile("sgd", "mse")
    taken = {*taken, *vars(plain), *LEFT_BY_FIT}
    found = {name: value for name, value in vars(model).items() if name not in taken}
    for name, value in list(found.items()):
        weights = weights_in(value)
        if any(id(weight) in network for weight in weights):
            del found[name]
        elif trained := [weight.path for weight in weights if weight.trainable]:
            raise ValueError(
                f"Model '{model.name}' ({own_class(model).__name__}) has weights to train beside "
                "its graph, which a copy would share. Expected them in layers between its inputs "
                f"and outputs, or frozen. Received: {name} with {trained}"
            )
    return {name: fresh(value) for name, value in found.items()}


def weights_in(value) -> list[keras.Variable]:
    """The weights of layers, and the variables, in a nest of values; of metrics none."""
    found = []
    for leaf in keras.tree.flatten(value):
        if isinstance(leaf, keras.layers.Layer):
            found += leaf.weights
        elif isinstance(leaf, keras.Variable):
            found.append(leaf)
    return found


def fresh(value):
    """The value itself; of metrics a new one, as what they count is the instance's own."""
    is_metric = isinstance(value, keras.metrics.Metric)
    return type(value).from_config(value.get_config()) if is_metric else value


def serialized(model: keras.Model, own: dict[str, Any]) -> dict:
    """What an instance holds, by its config; what is private and has none is left out.

    Raises:
        ValueError: if something of a public name has none.
    """
    found = {}
    for name, value in own.items():
        try:
            found[name] = keras.saving.serialize_keras_object(value)
        except (TypeError, ValueError, NotImplementedError) as error:
            if not name.startswith("_"):
                raise ValueError(
                    f"Model '{model.name}' cannot be saved: its class {own_class(model).__name__} "
                    f"holds `{name}`, a {type(value).__name__} without a config. Received: {error}"
                ) from error
    return found


def takes_training(method) -> bool:
    parameters = inspect.signature(method).parameters.values()
    return any(one.name == "training" or one.kind is one.VAR_KEYWORD for one in parameters)
