"""The policy of BudgetNet: one network that reads image and budget opens blocks or paths."""

import keras
import numpy as np
from keras import layers, ops

from keras_tnn.gates.data_dependent import normalization
from keras_tnn.gates.dial import Dial
from keras_tnn.gates.learned import LearnedGate
from keras_tnn.gates.reinforce import Reinforce
from keras_tnn.quantities import check_count, check_permutation

KNOTS = 20  # budgets at which a calibration may shift the policy: 0.05, 0.1 and so on to 1


@keras.saving.register_keras_serializable(package="keras_tnn")
class BudgetPolicy(LearnedGate):
    """s = f_actor([f_extractor(x), c]): all components at once, for image and budget (chen2020).

    The budget c is the utilization u. The K components, blocks or paths, are drawn as independent
    Bernoulli variables, pi(u | x, c) = prod_k s_k^u_k (1 - s_k)^(1 - u_k) (Eq. 1 and 2). A critic
    on the same features, V(x, c) = f_critic([f_extractor(x), c]) (Eq. 3), predicts what they
    earn; its answer is the `state` of the decisions of training. f_actor and f_critic have one
    hidden layer each. A prior is added to the log-odds of the actor, which decides before training:
    log(c / (1 - c)), so that every component is open about as often as the budget says; or with
    `order` c (K + 1) - k for the k-th in order, which opens them as a nested gate does, for a
    network that was trained with such gates.
    `keras_tnn.callbacks.BudgetCurriculum` trains both.

    `keras_tnn.training.calibrate_budgets` shifts the log-odds by a number for each budget, so that
    the mean cost is the budget asked for. In its hard mode, the least probable of the open
    components are dropped until a sample's cost is within its budget.

    Args:
        num_groups: Integer, the components of all layers together, K.
        min_groups: Integer, how many components, the first ones, are always open.
        extractor: `keras.Model` from the image, or from the model's inputs, to features
            `(batch, features)`. By default three 3x3 convolutions of 16, 32 and 64 filters with
            strides of 2, batch normalisation and ReLU, and their mean over all positions.
        hidden_units: Integer, of actor and critic.
        estimator: `keras_tnn.gates.Estimator`; defaults to `Reinforce()`, whose modified sigmoid
            is the bounded exploration of Eq. 11.
        always_open: Optional list of component numbers, in place of `min_groups`.
        order: Optional permutation of `range(num_groups)`, the components in the order in which
            the prior opens them.

    Call arguments:
        utilization: the budget c, float tensor of shape `()` or `(batch,)`, values in (0, 1].
        image: what the model reads.
        training: boolean.

    Output shape:
        `(batch, num_groups)`.

    Raises:
        ValueError: if an argument is out of range; if without `extractor` the model does not read
            one image.

    Example:

    >>> policy = BudgetPolicy(num_groups=4)
    >>> policy(np.array([0.1, 0.9]), image=np.zeros((2, 8, 8, 3), "float32")).numpy().tolist()
    [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]
    """

    reads = ("utilization", "image")
    whole_network = True

    def __init__(
        self,
        num_groups,
        min_groups=0,
        extractor=None,
        hidden_units=64,
        estimator=None,
        always_open=None,
        order=None,
        **kwargs,
    ):
        estimator = Reinforce() if estimator is None else estimator
        super().__init__(num_groups, min_groups, estimator, always_open=always_open, **kwargs)
        if isinstance(extractor, dict):
            extractor = keras.saving.deserialize_keras_object(extractor)
        self.given_extractor = extractor is not None
        self.extractor = extractor if self.given_extractor else small_network()
        self.hidden_units = check_count(hidden_units, "hidden_units")
        self.actor_hidden = dense(hidden_units, "actor_hidden", activation="relu")
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.actor = dense(self.free_groups, "logits", kernel_initializer=small)
        self.critic_hidden = dense(hidden_units, "critic_hidden", activation="relu")
        self.critic = dense(1, "value")
        self.kept = Dial([0.0])
        self.order = None if order is None else check_permutation(order, "order", num_groups)

    def control(self, count: int):
        """Leaves the last `count` components to the actor; those before them are kept open."""
        self.kept.turn([float(self.num_groups - count)])

    def build(self, utilization_shape, image_shape):
        one_image = len(image_shape) == 4 and not isinstance(image_shape[1], (tuple, list))
        if not self.given_extractor and not one_image:
            raise ValueError(
                "The features of a budget policy are by default those of one image, (batch, "
                "height, width, channels). Expected `extractor`, a keras.Model on the model's "
                f"inputs. Received: image_shape={image_shape}"
            )
        if not self.extractor.built:
            self.extractor.build(image_shape)
        features = self.extractor.compute_output_shape(image_shape)
        if len(features) != 2:
            raise ValueError(
                "Invalid value for `extractor`. Expected a model with outputs of shape (batch, "
                f"features). Received: {features}"
            )
        for first, last in ((self.actor_hidden, self.actor), (self.critic_hidden, self.critic)):
            first.build((None, features[-1] + 1))
            last.build((None, self.hidden_units))
        is_free = np.isin(np.arange(self.num_groups), self.free)
        self.offsets = self.calibrated("offsets", np.zeros(KNOTS))
        self.costs = self.calibrated("costs", is_free / max(1, self.free_groups))
        self.rest = self.calibrated("rest", np.zeros(()))
        self.hard = self.calibrated("hard", np.zeros(()))
        self.built = True

    def calibrated(self, name: str, value: np.ndarray):
        """A number, or several, that `calibrate_budgets` sets."""
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(value, dtype),
            trainable=False,
            dtype="float32",
            autocast=False,
            name=name,
        )

    def choose(self, utilization, training=None, threshold=None, image=None):
        utilization = ops.cast(utilization, "float32")
        read = self.read(utilization, image, training)
        values, s, _ = super().choose(utilization, training, threshold, read=read)
        kept = ops.arange(self.num_groups, dtype="float32") < self.kept.state[0]
        values, s = (ops.where(kept, 1.0, x) for x in (values, s))
        if training:
            return values, s, ops.squeeze(self.critic(self.critic_hidden(read)), -1)
        return values * self.within(utilization, values * s), s, None

    def read(self, utilization, image, training=None):
        """[f_extractor(x), c], float32 tensor `(batch, features + 1)`."""
        features = ops.cast(self.extractor(image, training=training), "float32")
        budget = ops.expand_dims(ops.cast(utilization, "float32"), -1)
        return ops.concatenate([features, budget], axis=-1)

    def logits(self, utilization, training=None, read=None):
        logits = self.actor(self.actor_hidden(read)) + self.prior(read[:, -1:])
        return logits if training else logits + self.offset(utilization)

    def prior(self, c):
        """Log-odds before training, `(batch, 1 or free_groups)`, of budgets `(batch, 1)`."""
        if self.order is None:
            c = ops.clip(c, 0.01, 0.99)
            return ops.log(c / (1 - c))
        rank = np.argsort(self.order)[self.free].argsort().argsort()
        return c * (self.free_groups + 1) - ops.convert_to_tensor(rank + 1, "float32")

    def offset(self, utilization):
        """The calibrated shift, on straight lines between the knots: `(batch, 1)`."""
        place = ops.maximum(utilization * KNOTS, 1.0)
        knots = ops.arange(1, KNOTS + 1, dtype="float32")
        near = ops.relu(1 - ops.abs(ops.expand_dims(place, -1) - knots))
        return ops.sum(near * self.offsets, axis=-1, keepdims=True)

    def within(self, utilization, opened):
        """Where components may stay open: everywhere or, in hard mode, what the budget pays for.

        Args:
            utilization: the budget of each sample, `(batch,)`.
            opened: the probability of each open component, 0 of closed ones.
        """
        order = ops.argsort(-opened, axis=-1)
        costs = self.costs * ops.cast(opened > 0, "float32")
        spent = self.rest + ops.cumsum(ops.take_along_axis(costs, order, axis=-1), axis=-1)
        spent = ops.take_along_axis(spent, ops.argsort(order, axis=-1), axis=-1)
        # A sum of float32 shares may be above the budget by rounding.
        paid = ops.logical_or(spent <= ops.expand_dims(utilization, -1) + 1e-6, self.costs == 0)
        return ops.cast(ops.logical_or(paid, self.hard == 0), "float32")

    def get_config(self):
        extractor = self.extractor if self.given_extractor else None
        config = super().get_config()
        config.pop("open_probability")
        return {
            **config,
            "extractor": extractor and keras.saving.serialize_keras_object(extractor),
            "hidden_units": self.hidden_units,
            "order": self.order,
        }


def dense(units: int, name: str, **arguments) -> layers.Dense:
    """In half precision rounding would open and close components."""
    return layers.Dense(units, dtype="float32", name=name, **arguments)


def small_network() -> keras.Sequential:
    """Features of an image, a hundredth of what a ResNet costs."""
    found = []
    for number, filters in enumerate((16, 32, 64), 1):
        convolution = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)
        found += [convolution, normalization(f"normalization_{number}"), layers.ReLU()]
    return keras.Sequential([*found, layers.GlobalAveragePooling2D()], name="extractor")
