"""Controllers: networks that say, for each sample, how much of a network it needs."""

from keras_tnn.controllers.contextual_bandit import ContextualBandit
from keras_tnn.controllers.joint_tuning import JointTuning
from keras_tnn.controllers.networks import BehindLevel, DepthwiseCNN
from keras_tnn.controllers.reward import Reward

__all__ = ["BehindLevel", "ContextualBandit", "DepthwiseCNN", "JointTuning", "Reward"]
