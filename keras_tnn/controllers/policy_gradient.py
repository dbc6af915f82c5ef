"""The loss by which a controller learns from the reward of what it chose (liu2022, Eq. 15)."""

import keras
from keras import ops


def policy_losses(reward, pi, level):
    """-r log pi(u | x) of each sample, `(batch,)`.

    Args:
        reward: r of the level that ran, `(batch,)`.
        pi: probabilities of all levels, `(batch, K)`.
        level: which one ran, integers `(batch,)`.
    """
    taken = ops.take_along_axis(pi, level[:, None], axis=-1)[:, 0]
    return -reward * ops.log(ops.maximum(taken, keras.config.epsilon()))


def entropy_of(pi):
    """Of each sample's choice, in nats, `(batch,)`."""
    return -ops.sum(pi * ops.log(ops.maximum(pi, keras.config.epsilon())), axis=-1)
