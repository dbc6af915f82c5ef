"""Evaluating and predicting at an exit: a given one, or the last within a budget."""

from collections.abc import Mapping

import keras
import numpy as np

from keras_tnn.exits.exit_costs import costs_at, exit_within
from keras_tnn.exits.stretches import Stretches


class AnswersEarly(keras.Model):
    """The part of a model with exits that stops at one of them."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stretches = Stretches(self)

    def check_outputs(self, outputs) -> list:
        """Returns the outputs after checking that they are a list of tensors of one shape."""
        listed = isinstance(outputs, (list, tuple)) and len(outputs) > 1
        if not listed or len({x.shape for x in outputs}) != 1:
            raise ValueError(
                "Invalid value for `outputs`. Expected a list of two tensors of one shape or more, "
                f"those of the exits in order of depth. Received: outputs={outputs}"
            )
        return [*outputs]

    @property
    def exit_names(self) -> tuple[str, ...]:
        """The names of the exits in order of depth; the last one is the model's own output."""
        return tuple(self.output_names)

    def exit_number(self, exit: str | int) -> int:
        """The number of an exit, from 0, that is given by name or by number.

        Raises:
            ValueError: if there is no such exit.
        """
        names = self.exit_names
        if isinstance(exit, str) and exit in names:
            return names.index(exit)
        number = isinstance(exit, int) and not isinstance(exit, bool)
        if number and -len(names) <= exit < len(names):
            return exit % len(names)
        raise ValueError(
            f"Invalid value for `exit`. Expected one of {list(names)} or its number, from 0. "
            f"Received: exit={exit!r}"
        )

    def up_to(self, exit: str | int) -> keras.Model:
        """The network up to an exit, with its head and no other, as a model of one output.

        It shares the layers of this model. Compiled with the exit's loss and metrics, where this
        model is compiled.

        Args:
            exit: name or number of the exit.
        """
        return self.stretches.up_to(self.exit_number(exit))

    def exit_costs(self, unit: str = "macs", utilization: float | None = None, x=None) -> dict:
        """The cost of stopping at each exit: the way there and its own head, a batch of one.

        Args:
            unit: "macs" or "energy", Joules (wang2019, Eq. 6).
            utilization: float in (0, 1] for a model with a dial, 1 by default.
            x: samples, for a model whose gates read the data: the costs then are means over them,
                by what the gates decide. Without samples all gates count as open. Other models
                cost all samples the same.

        Raises:
            ValueError: if `unit` is neither, or there is no dial.
        """
        return costs_at(self, unit, utilization)

    def exit_within(self, budget: float, unit: str | Mapping = "macs", utilization=None) -> str:
        """The name of the last exit whose cost is within a budget.

        Args:
            budget: share in (0, 1] of the cost of the whole network up to its last exit, at
                u = 1 where it has a dial. Heads of other exits are not computed and not counted.
            unit: "macs" or "energy"; or a table of what each exit takes, by name, such as
                milliseconds measured on a device. The budget is then in the table's unit.
            utilization: float in (0, 1] for a model with a dial, 1 by default.

        Raises:
            ValueError: if the budget is no such number or below every exit.
        """
        return exit_within(self, budget, unit, utilization)

    def chosen_exit(self, exit, budget, unit, utilization) -> int | None:
        """The number of the exit that is asked for, by itself or by a budget; None for all."""
        if exit is not None and budget is not None:
            raise ValueError(
                "Invalid value for `exit`. Expected an exit or a budget, not both. "
                f"Received: exit={exit!r}, budget={budget!r}"
            )
        if budget is not None:
            exit = self.exit_within(budget, unit, utilization)
        return None if exit is None else self.exit_number(exit)

    def evaluate(self, x=None, y=None, *args, exit=None, budget=None, unit="macs", **kwargs):
        """As `keras.Model.evaluate`: of all exits, or of the one where every sample stops.

        Args:
            x, y, *args, **kwargs: as for `keras.Model.evaluate`, and for a model with a dial as
                for `keras_tnn.ThrottledModel.evaluate`. One label a sample serves all exits.
            exit: name or number of the exit whose loss and metrics are wanted, under the names
                that they have in a model of one output.
            budget: in place of `exit`: the last exit within a share in (0, 1] of the whole
                network's cost, as for `exit_within`.
            unit: what the budget counts, as for `exit_within`.

        Raises:
            ValueError: if there is no such exit, or the budget is below every exit.
        """
        number = self.chosen_exit(exit, budget, unit, kwargs.get("utilization"))
        if number is None:
            return super().evaluate(x, y, *args, **kwargs)
        return self.up_to(number).evaluate(x, self.at_exit(y, number), *args, **kwargs)

    def predict(self, x, *args, exit=None, budget=None, unit="macs", return_exits=False, **kwargs):
        """As `keras.Model.predict`: a list of the outputs of all exits, or the outputs of one.

        Args:
            x, *args, **kwargs: as for `keras.Model.predict`, and for a model with a dial as for
                `keras_tnn.ThrottledModel.predict`.
            exit, budget, unit: as for `evaluate`. Only what the exit needs is computed.
            return_exits: with an exit or a budget, whether the number of the exit of each
                sample, integers `(n,)`, is returned, too.

        Raises:
            ValueError: if there is no such exit, or the budget is below every exit.
        """
        number = self.chosen_exit(exit, budget, unit, kwargs.get("utilization"))
        if number is None:
            return super().predict(x, *args, **kwargs)
        answers = self.up_to(number).predict(x, *args, **kwargs)
        return (answers, np.full(len(answers), number)) if return_exits else answers

    def with_stop_costs(self, x, costs: np.ndarray, **kwargs) -> tuple[list, np.ndarray]:
        """The outputs of all exits, and what stopping at each costs each sample, `(n, exits)`.

        Args:
            x, **kwargs: as for `predict`.
            costs: of stopping at each exit with all gates open, `(exits,)`.
        """
        outputs = self.predict(x, **kwargs)
        return outputs, np.broadcast_to(costs, (len(outputs[0]), len(costs)))
