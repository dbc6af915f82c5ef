"""Network and controller learn together (liu2022, 3.3.5: "can also be fine-tuned")."""

import keras
from keras import ops

from keras_tnn.controllers.choice import answers, choice_of
from keras_tnn.controllers.contextual_bandit import ContextualBandit
from keras_tnn.controllers.policy_gradient import entropy_of, policy_losses
from keras_tnn.losses import class_probabilities
from keras_tnn.losses.class_probabilities import class_numbers
from keras_tnn.training.feeding import join, split
from keras_tnn.training.sample_losses import weighted_mean


@keras.saving.register_keras_serializable(package="keras_tnn")
class JointTuning(ContextualBandit):
    """Trains a controller as `ContextualBandit` does, and the network at the levels it chooses.

    Each sample runs at the level that was chosen for it, masked, in one pass. The loss is the
    network's own plus -r log pi. Learn the controller alone before it, and compile with a low
    learning rate. Every sample has its own level, so the network's batch-norm statistics fit all
    levels as they are, as after training with u drawn for each sample.

    Args:
        network, controller, levels, reward, cost, epsilon, entropy: as for `ContextualBandit`. A
            controller that holds a copy of the lowest level would keep the old one.

    Raises:
        ValueError: as for `ContextualBandit`, and if the controller holds a level.

    Example:

    >>> network = keras_tnn.models.VGG(
    ...     (8, 8, 3), 10, num_groups=4, filters=((8,), (8,)), dense_units=16)
    >>> network.compile("sgd", "sparse_categorical_crossentropy")
    >>> controller = keras_tnn.controllers.DepthwiseCNN((8, 8, 3), 4, filters=(8, 8))
    >>> both = JointTuning(network, controller)
    >>> both.compile(keras.optimizers.Adam(1e-4))
    >>> x, y = np.random.rand(64, 8, 8, 3), np.random.randint(10, size=64)
    >>> sorted(both.fit(x, y, verbose=0).history)
    ['accuracy', 'cost', 'loss', 'reward']
    """

    def __init__(self, network: keras.Model, controller: keras.Model, levels=None, **kwargs):
        super().__init__(network, controller, levels, **kwargs)
        if answers(controller):
            raise ValueError(
                "Invalid value for `controller`. Expected one that holds no level of the network, "
                f"which is about to change. Received: '{controller.name}' with an answer"
            )
        self.as_probabilities = class_probabilities(network)

    def call(self, inputs, training=None):
        """What was chosen and what came of it: "choice", "level" and "answer"."""
        choice = choice_of(self.controller(inputs, training=training))
        level = self.explore(choice) if training else ops.argmax(choice, axis=-1)
        utilization = ops.take(ops.array(self.levels, "float32"), level)
        features, _ = split(self.network.input, inputs)
        answer = self.network(
            join(self.network.input, features, utilization), training=bool(training)
        )
        return {"choice": choice, "level": level, "answer": answer}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        choice, level = y_pred["choice"], y_pred["level"]
        right, confidence = self.outcome(y, y_pred["answer"])
        cost = ops.take(ops.array(self.costs, "float32"), level)
        reward = ops.stop_gradient(self.reward(right, confidence, cost))
        losses = policy_losses(reward, choice, level) - self.entropy * entropy_of(choice)
        task = self.network.task_loss(x, y, y_pred["answer"], sample_weight)
        return task + weighted_mean(losses, sample_weight)

    def outcome(self, y, answer):
        """Whether each answer is right, and how sure."""
        probabilities = self.as_probabilities(answer)
        predicted = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
        return class_numbers(y) == predicted, ops.max(probabilities, axis=-1)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        right, confidence = self.outcome(y, y_pred["answer"])
        return self.report(right, confidence, y_pred["level"], sample_weight)

    def fit(self, *args, **kwargs):
        """As `ContextualBandit.fit`."""
        self.network.statistics_level = None  # those of batches of many levels
        return super().fit(*args, **kwargs)

    def judge(self):
        """The data stays as it is: labels are for the network, too."""
        return lambda x, y, batch_size: (x, y)

    @property
    def frozen(self) -> list:
        return []
