"""Who has which rule: the one table of layer kinds that cut, cost, energy and `throttle` read."""

import functools
import inspect

from keras import layers

from keras_tnn.surgery.calls import Call
from keras_tnn.surgery.rule import AsItsKind, Counted, Rule

RULES: dict[type | str, list[Rule]] = {}

# What a subclass may have of its own and still compute as its parent does.
HARMLESS = (
    "__init__ __doc__ __module__ __dict__ __weakref__ __annotations__ __firstlineno__ "
    "__static_attributes__ __repr__ __str__ get_config from_config get_build_config "
    "build_from_config compute_output_shape compute_output_spec count_params save_own_variables "
    "load_own_variables save_assets load_assets"
)


def rule(*kinds: type | str):
    """Class decorator: registers a rule for layer classes and their subclasses.

    A subclass outside Keras that overrides anything its parent computes with is another kind.

    Args:
        *kinds: classes; or names of classes that cannot be imported, such as the operations
            behind `keras.ops` functions.

    Example:

    ```python
    @rule(MyScale)  # y = x * scale, one scale a channel
    class ScaleRule(PerChannel):
        def fill(self, call, fill):
            return fill * call.operation.scale.numpy()

    @rule(MyBilinear)  # y = x1 kernel x2: kept whole, and counted
    class BilinearRule(Rule):
        def kernels(self, call):
            return [call.operation.kernel]
    ```
    """

    def register(cls):
        for kind in kinds:
            RULES.setdefault(kind, []).append(cls())
        return cls

    return register


def is_ours(cls: type) -> bool:
    """Whether a class is of Keras or of this library, which say what their subclasses change."""
    return cls.__module__.split(".")[0] in ("keras", "keras_tnn")


def find(kind: type) -> tuple[list[Rule], tuple[str, ...]]:
    """The rules of the nearest registered class, and what `kind` overrides of that class."""
    changed: list[str] = []
    for place, cls in enumerate(kind.__mro__):
        # A name stands for a class of Keras only: a user's layer may be called anything.
        by_name = cls.__name__ if cls.__module__.split(".")[0] == "keras" else None
        for name in (cls, by_name):
            if name in RULES:
                return RULES[name], tuple(changed)
        parents = kind.__mro__[place + 1 :]  # of a mixin, too, are those that come behind it
        own = {"call"} if is_ours(cls) else vars(cls).keys() - {*HARMLESS.split()}
        changed += sorted(name for name in own & vars(cls).keys() if replaces(cls, name, parents))
    return [], ()


def is_open_to_all(kind: type) -> bool:
    """Whether layers of a class are what is inside them: no rule says more.

    What is derived from a class of this library is not: a gate decides, whatever it computes.
    """
    rules, changed = find(kind)
    ours = any(cls.__module__.split(".")[0] == "keras_tnn" for cls in kind.__mro__)
    return issubclass(kind, layers.Layer) and not ours and (not rules or bool(changed))


def replaces(cls: type, name: str, parents: tuple[type, ...]) -> bool:
    """Whether a member of a class stands in front of one that its parents have or set."""
    parents = tuple(parent for parent in parents if parent is not object)
    # What `__init__` or `build` of a parent sets, a property can answer in its place.
    stands_before = isinstance(vars(cls)[name], property)
    return any(
        name in vars(parent) or stands_before and name in names_used_by(parent)
        for parent in parents
    )


@functools.cache
def names_used_by(cls: type) -> frozenset[str]:
    """The names of attributes and globals in the methods of a class, such as those `build` sets."""
    methods = (x for x in vars(cls).values() if inspect.isfunction(x))
    return frozenset(name for method in methods for name in method.__code__.co_names)


def rule_of(call: Call, kind: type | None = None) -> Rule:
    """The rule of a call, the one registered last first.

    Args:
        call: the call. What returns several tensors is kept whole unless a rule is for `several`.
        kind: class to look for in place of the operation's own.
    """
    if call.hands_on:
        return find(layers.Identity)[0][-1]
    rules, changed = find(kind or type(call.operation))
    if not rules:
        return Counted()
    if changed:
        return AsItsKind(rules[-1], changed)
    alone = len(call.outputs) == 1
    can = (one for one in reversed(rules) if (alone or one.several) and one.fits(call))
    held = (one for one in can if one.applies(call))
    return next(held, AsItsKind(rules[-1]))
