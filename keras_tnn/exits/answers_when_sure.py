"""Evaluating and predicting where each sample stops at the first exit that is sure."""

import keras
import numpy as np

from keras_tnn.exits.exit_costs import costs_at, head_costs
from keras_tnn.exits.judged import collected, judged
from keras_tnn.exits.thresholds import GATE, ExitThresholds
from keras_tnn.losses import class_probabilities
from keras_tnn.losses.class_probabilities import certainty_of_answers
from keras_tnn.training.feeding import is_arrays


class AnswersWhenSure(keras.Model):
    """The part of a model with exits that stops by confidence."""

    def evaluate(self, x=None, y=None, *args, thresholds=None, **kwargs):
        """As `keras.Model.evaluate`; with `thresholds`, of the answers at the first sure exits.

        Args:
            x, y, *args, **kwargs: as without thresholds.
            thresholds: `keras_tnn.exits.ExitThresholds`; or a dict from names of early exits to
                floats in [0, 1]; or "gates", where exits have gates, which then decide. The
                results are those of the last exit's loss and metrics, and "share": the mean MACs
                of a sample, with all that was asked, over those of the whole network. Where gates
                read the data, the MACs are what ran for the sample, over the whole network with
                all gates open. Here all exits are computed; a device stops.

        Raises:
            ValueError: if thresholds do not fit the exits, or the model is no compiled classifier.
        """
        if thresholds is None:
            return super().evaluate(x, y, *args, **kwargs)
        return self.evaluate_when_sure(x, y, self.as_thresholds(thresholds), *args, **kwargs)

    def predict(self, x, *args, thresholds=None, return_exits=False, **kwargs):
        """As `keras.Model.predict`; with `thresholds`, each sample's answer at its first sure exit.

        Args:
            x, *args, **kwargs: as without thresholds.
            thresholds: as for `evaluate`.
            return_exits: with thresholds or a budget, whether the number of the exit of each
                sample, integers `(n,)`, is returned, too: the answers and these.

        Raises:
            ValueError: as `evaluate`.
        """
        if thresholds is None:
            return super().predict(x, *args, return_exits=return_exits, **kwargs)
        thresholds = self.as_thresholds(thresholds)
        self.check_asked(thresholds)
        answers, taken = self.where_sure(super().predict(x, *args, **kwargs), thresholds)
        return (answers, taken) if return_exits else answers

    def where_sure(self, outputs: list, thresholds: ExitThresholds) -> tuple:
        """The answers at the first sure exits and their numbers, from the outputs of all."""
        sure = self.certainties(outputs, thresholds.measure)
        taken = thresholds.first_sure(self.exit_names, sure)
        return np.stack(outputs[: len(self.exit_names)])[taken, np.arange(len(taken))], taken

    def as_thresholds(self, given) -> ExitThresholds:
        """What is given as thresholds; "gates" is p > 1/2 at each exit gate."""
        if given == "gates":
            return ExitThresholds(dict.fromkeys(self.exit_names[:-1], 0.5), GATE)
        return given if isinstance(given, ExitThresholds) else ExitThresholds(given)

    def check_asked(self, thresholds: ExitThresholds):
        """Raises ValueError if thresholds do not fit the exits and what they can say."""
        thresholds.asked(self.exit_names)
        self.check_measure(thresholds.measure)

    def check_measure(self, measure: str):
        """Raises ValueError if the model cannot say by a measure how sure it is."""
        if measure == GATE:
            raise ValueError(
                f"Invalid value for `measure`. Model '{self.name}' has no exit gates: "
                "keras_tnn.add_exits(..., gate=True) adds them. Received: measure='gate'"
            )
        class_probabilities(self.up_to(-1))

    def certainties(self, outputs: list, measure: str) -> list[np.ndarray]:
        """How sure each exit is of its answers, for each an array `(n,)`, from the outputs."""
        as_probabilities = class_probabilities(self.up_to(-1))
        classes = [keras.ops.convert_to_numpy(as_probabilities(one)) for one in outputs]
        return [certainty_of_answers(one, measure) for one in classes]

    def stop_costs(self, thresholds: ExitThresholds, utilization=None) -> np.ndarray:
        """MACs of a sample that stops at each exit, `(exits,)`: the way there and what is asked.

        Args:
            thresholds: which exits are asked; their heads are computed.
            utilization: float in (0, 1] for a model with a dial, 1 by default.
        """
        costs = costs_at(self, "macs", utilization), head_costs(self, "macs", utilization)
        return thresholds.costs(self.exit_names, *costs)

    def evaluate_when_sure(
        self,
        x,
        y,
        thresholds: ExitThresholds,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        return_dict=False,
        **kwargs,
    ):
        """What `evaluate` does with thresholds."""
        if not is_arrays(x):
            x, y, sample_weight = collected(x)
        self.check_asked(thresholds)
        costs = self.stop_costs(thresholds, kwargs.get("utilization"))
        outputs, costs = self.with_stop_costs(x, costs, batch_size=batch_size, verbose=0, **kwargs)
        answers, taken = self.where_sure(outputs, thresholds)
        results = judged(self, answers, y, sample_weight, batch_size, verbose)
        whole = costs_at(self, "macs")[self.exit_names[-1]]
        results["share"] = float(np.take_along_axis(costs, taken[:, None], axis=1).mean()) / whole
        return results if return_dict else [*results.values()]
