"""A budget for each sample, where gates read the data: what they close leaves more for later.

wang2019, III-B: input-dependent and resource-dependent inference in one model, "DDI".
"""

from collections.abc import Mapping

import keras
import numpy as np

from keras_tnn.exits.exit_costs import last_within, reads_data
from keras_tnn.exits.judged import collected, judged
from keras_tnn.exits.sample_costs import SampleCosts, last_within_each
from keras_tnn.gates import Ensemble
from keras_tnn.training.feeding import is_arrays
from keras_tnn.training.with_decisions import WithDecisions


class AnswersBySample(keras.Model):
    """The part of a model with exits and gates that keeps each sample to a budget."""

    def by_sample(self, exit, budget, unit) -> bool:
        """Whether a budget is one of MACs or energy that gates decide on, sample by sample."""
        counted = budget is not None and exit is None and not isinstance(unit, Mapping)
        return counted and reads_data(self)

    def evaluate(self, x=None, y=None, *args, exit=None, budget=None, unit="macs", **kwargs):
        """As without gates that read the data; with them a budget holds for each sample.

        Each sample stops at the last exit whose cost, given what its gates decided, is within the
        budget. The results then are those of the last exit's loss and metrics, and "share": the
        mean cost of a sample over that of the whole network with all gates open. Here all of it
        is computed; a device stops.

        Args:
            x, y, *args, exit, budget, unit, **kwargs: as without such gates.

        Raises:
            ValueError: as without such gates, by the costs with all gates open, so that there is
                an answer for any sample; or if gates are to decide several times (`Ensemble`).
        """
        if not self.by_sample(exit, budget, unit):
            return super().evaluate(x, y, *args, exit=exit, budget=budget, unit=unit, **kwargs)
        return self.evaluate_by_sample(x, y, budget, unit, *args, **kwargs)

    def predict(self, x, *args, exit=None, budget=None, unit="macs", return_exits=False, **kwargs):
        """As without gates that read the data; with them a budget holds for each sample.

        Args:
            x, *args, exit, budget, unit, return_exits, **kwargs: as without such gates.

        Raises:
            ValueError: as `evaluate`.
        """
        if self.by_sample(exit, budget, unit):
            answers, taken, _ = self.within_budget(x, budget, unit, *args, **kwargs)
            return (answers, taken) if return_exits else answers
        return super().predict(
            x, *args, exit=exit, budget=budget, unit=unit, return_exits=return_exits, **kwargs
        )

    def exit_costs(self, unit: str = "macs", utilization: float | None = None, x=None) -> dict:
        """As without gates that read the data; with them and samples, means over these.

        Args:
            unit, utilization, x: as without such gates.

        Raises:
            ValueError: as without such gates.
        """
        if x is None or not reads_data(self):
            return super().exit_costs(unit, utilization)
        found = self.exit_costs_by_sample(x, unit, utilization=utilization, verbose=0)
        return dict(zip(self.exit_names, found.mean(axis=0).tolist(), strict=True))

    def exit_costs_by_sample(self, x, unit: str = "macs", **kwargs) -> np.ndarray:
        """What each exit costs each sample by the decisions of its gates, floats `(n, exits)`.

        Args:
            x, **kwargs: as for `predict`, with utilization and gating.
            unit: "macs" or "energy", Joules (wang2019, Eq. 6).

        Raises:
            ValueError: if `unit` is neither, the cost of the gates is unknown, or gates are to
                decide several times (`Ensemble`).
        """
        return self.with_costs(x, SampleCosts(self, unit), **kwargs)[-1]

    def with_costs(
        self, x, costs, *args, utilization=None, gating=None, calibration_data=None, **kwargs
    ) -> list[np.ndarray]:
        """The outputs of all exits and what `costs` says of the same pass, `(n, columns)`."""
        if isinstance(gating, Ensemble):
            raise ValueError(
                "Invalid value for `gating`. Expected one decision of each gate where costs are "
                f"counted by sample. Received: gating={gating!r}"
            )
        with self.gating(gating), self.at(x, utilization, calibration_data) as x:
            *outputs, found = WithDecisions(self, costs).predict(x, *args, **kwargs)
        return [*outputs, found.astype("float64")]  # so that means are exact

    def with_stop_costs(self, x, costs, **kwargs):
        """As without gates that read the data; with them, what they close is not counted."""
        if not reads_data(self):
            return super().with_stop_costs(x, costs, **kwargs)
        by_sample = SampleCosts(self)
        *outputs, found = self.with_costs(x, by_sample, **kwargs)
        heads = costs - np.array([*by_sample.all_open.values()])  # of exits that were asked before
        return outputs, found + heads

    def within_budget(self, x, budget, unit, *args, **kwargs) -> tuple:
        """The answers, the numbers of their exits and the shares that were spent, `(n,)` each."""
        costs = SampleCosts(self, unit)
        whole = costs.all_open[self.exit_names[-1]]
        last_within({name: cost / whole for name, cost in costs.all_open.items()}, budget)
        *outputs, spent = self.with_costs(x, costs, *args, **kwargs)
        shares, each = spent / whole, np.arange(len(spent))
        taken = last_within_each(shares, budget)
        answers = np.stack(outputs[: len(self.exit_names)])
        return answers[taken, each], taken, shares[each, taken]

    def evaluate_by_sample(
        self,
        x,
        y,
        budget,
        unit,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        return_dict=False,
        **kwargs,
    ):
        """What `evaluate` does with a budget for each sample."""
        if not is_arrays(x):
            x, y, sample_weight = collected(x)
        answers, _, spent = self.within_budget(
            x, budget, unit, batch_size=batch_size, verbose=0, **kwargs
        )
        results = judged(self, answers, y, sample_weight, batch_size, verbose)
        results["share"] = float(spent.mean())
        return results if return_dict else [*results.values()]
