"""Early exits learn from the last one's answers, beside the labels."""

import keras
from keras import ops

from keras_tnn.losses.level_distillation import loss_for


class DistilsExits(keras.Model):
    """The part of a model with exits that adds their distillation to each task loss.

    It stands below `ThrottledModel`, so that every level of a step distils its own exits.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        if not (training and self.distillation):
            return loss
        *early, last = y_pred[: len(self.exit_names)]
        teacher = ops.stop_gradient(last)
        for number, answer in enumerate(early):
            own = self.at_exit(self.measures.loss, number)
            if own is not None:
                weight = self.at_exit(sample_weight, number)
                loss += self.distillation * loss_for(own, None)(teacher, answer, weight)
        return loss
