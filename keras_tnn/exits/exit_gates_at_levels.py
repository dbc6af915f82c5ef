"""Exits whose gates learn when to stop, in a model with a dial: a stop costs what it costs at u."""

from keras import ops

from keras_tnn.exits.exit_gates import LearnsToStop
from keras_tnn.exits.sample_costs import SampleCosts
from keras_tnn.training.step import current_step


class LearnsToStopAtLevels(LearnsToStop):
    """As `LearnsToStop`, where a stop costs what it costs at the u of the sample."""

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.level_shares = {1.0: self.shares}
        stops = self.outputs_by_stop(self.as_thresholds("gates"))
        self.costs_of_stops = SampleCosts(self, stops=stops)
        self.whole_cost = self.exit_costs()[self.exit_names[-1]]

    def ready(self, levels):
        super().ready(levels)
        for u in set(levels) - self.level_shares.keys():
            costs = self.stop_costs(self.as_thresholds("gates"), u)
            self.level_shares[u] = (costs / self.whole_cost).tolist()

    def shares_now(self):
        step = current_step()
        if step is None:
            raise ValueError(
                "What exit gates learn depends on the u that was drawn. Expected `compute_loss` to "
                "be called by `train_step` or `test_step`, as `fit` does. Received a call outside."
            )
        if not step.passes:  # a level that was cut out before the step
            return ops.convert_to_tensor([self.level_shares[step.judged]], "float32")
        return self.costs_of_stops(step.passes[-1].decisions) / self.whole_cost
