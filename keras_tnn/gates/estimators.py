"""How a learned gate draws zeros and ones in training, and what gradient its probabilities get.

All draw z ~ Bernoulli(p) from the log-odds l = log(p / (1 - p)): with Z ~ Logistic(0, 1), the
difference of two Gumbel variables, z = 1 where l + Z > 0.

The estimator that needs no gradient through its draws stands in reinforce.py.
"""

import keras
from keras import ops


class Estimator(keras.layers.Layer):
    """Base of all estimators. A subclass writes `sample` and may change `probabilities`.

    Args:
        seed: Integer, starts the draws; by default one of Keras' own random seeds.
    """

    # Whether the gradient comes from the score function rather than through the samples.
    uses_score = False

    def __init__(self, seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape=None):
        self.built = True

    def probabilities(self, logits):
        """p of each gate from its log-odds, of the same shape."""
        return ops.sigmoid(logits)

    def logistic(self, shape):
        """Draws of Z ~ Logistic(0, 1)."""
        noise = keras.random.uniform(
            shape, 1e-6, 1 - 1e-6, dtype="float32", seed=self.seed_generator
        )
        return ops.log(noise) - ops.log1p(-noise)

    def sample(self, logits, samples):
        """Values of the gates in training.

        Args:
            logits: log-odds, float tensor `(samples or 1, gates)`.
            samples: how many samples draw for themselves.

        Returns:
            Float tensor `(samples, gates)`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `sample`.")

    def call(self, logits, samples):
        return self.sample(logits, samples)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


class Relaxation(Estimator):
    """Base of the estimators that follow sigmoid((l + Z) / temperature)."""

    def __init__(self, temperature=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not temperature > 0:
            raise ValueError(
                "Invalid value for `temperature`. Expected a positive float. "
                f"Received: temperature={temperature!r}"
            )
        self.temperature = temperature

    def relaxed(self, logits, samples):
        noise = self.logistic((samples, logits.shape[-1]))
        return ops.sigmoid((logits + noise) / self.temperature)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_tnn")
class StraightThrough(Relaxation):
    """Zeros and ones forward; backward the gradient of their relaxation (herrmann2019, 3.2).

    Jang, Gu and Poole (2017), "Categorical reparameterization with Gumbel-softmax": of the two
    logits of a gate the larger wins after Gumbel noise is added to each.

    Args:
        temperature: positive float; 1 in the paper.
        seed: Integer, starts the draws; by default one of Keras' own random seeds.

    Raises:
        ValueError: if `temperature` is not positive.

    Example:

    >>> draws = StraightThrough(seed=1)(np.full((1, 4), 30.0, "float32"), samples=2)
    >>> draws.numpy().tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """

    def sample(self, logits, samples):
        soft = self.relaxed(logits, samples)
        hard = ops.cast(ops.greater(soft, 0.5), soft.dtype)
        return ops.stop_gradient(hard - soft) + soft  # exactly `hard`: 1 - s + s is 1 for s > 1/2


@keras.saving.register_keras_serializable(package="keras_tnn")
class Concrete(Relaxation):
    """Values between 0 and 1, the binary Concrete distribution (Maddison et al. 2017).

    g = sigmoid((Z + log(p / (1 - p))) / temperature). hostetler2019 (4.2) and liu2022 (Eq. 12)
    print the temperature as an exponent, `(...)^-t`, which is not defined for negative numbers
    and does not become a step as t goes to 0; Maddison et al., whom both cite, divide by it.
    At inference gates are hard.

    Args:
        temperature: positive float; 0.1 in the papers.
        seed: Integer, starts the draws; by default one of Keras' own random seeds.

    Raises:
        ValueError: if `temperature` is not positive.

    Example:

    >>> values = Concrete(seed=1)(np.zeros((1, 100), "float32"), samples=1).numpy()
    >>> bool(((0 < values) & (values < 1)).mean() > 0.5)  # float32 rounds the others to 0 or 1
    True
    """

    def __init__(self, temperature=0.1, seed=None, **kwargs):
        super().__init__(temperature, seed, **kwargs)

    def sample(self, logits, samples):
        return self.relaxed(logits, samples)


@keras.saving.register_keras_serializable(package="keras_tnn")
class Soft(Estimator):
    """The probabilities themselves, nothing is drawn: the softmax relaxation of wang2019 (III-A).

    In training a gate multiplies by p, so gradients reach it directly; at inference gates are
    hard. What is half open in training is open or closed then, so a network whose probabilities
    are far from 0 and 1 is less accurate at inference. With `hard` training decides as inference
    does, p > 1/2, and the gradient is that of p.

    Args:
        hard: Boolean, whether values are zeros and ones.
        seed: Integer, which changes nothing here.

    Example:

    >>> Soft()(np.zeros((1, 2), "float32"), samples=3).numpy().tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    def __init__(self, hard=False, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.hard = hard

    def sample(self, logits, samples):
        p = ops.broadcast_to(self.probabilities(logits), (samples, logits.shape[-1]))
        return ops.stop_gradient(ops.cast(p > 0.5, p.dtype) - p) + p if self.hard else p

    def get_config(self):
        return {**super().get_config(), "hard": self.hard}
