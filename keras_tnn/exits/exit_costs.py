"""What each exit costs, and which one a budget allows."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence

import keras

from keras_tnn.cost import count_macs, energy, gated_energy, gated_macs
from keras_tnn.cost.gated_cost import GatedCost
from keras_tnn.surgery import materialize
from keras_tnn.training import ThrottledModel
from keras_tnn.utilization import has_dial

UNITS = {"macs": count_macs, "energy": energy}
GATED = {"macs": gated_macs, "energy": gated_energy}


def counter(model, unit: str, utilization: float | None) -> Callable[..., float]:
    """A function of numbers of exits that says what the network up to them costs, heads included.

    Args:
        model, unit, utilization: as for `costs_at`.
    """
    check_unit(unit)
    if not has_dial(model):
        if utilization is not None:
            raise ValueError(
                f"Invalid value for `utilization`. Model '{model.name}' has no dial. "
                f"Expected None. Received: utilization={utilization!r}"
            )
        level = model
    elif reads_data(model):
        return lambda *numbers: all_open(model, numbers, unit)
    else:
        level = materialize(model, 1.0 if utilization is None else utilization)
    return lambda *numbers: UNITS[unit](
        keras.Model(level.input, [level.outputs[number] for number in numbers])
    )


def reads_data(model) -> bool:
    """Whether gates of a model look at the sample."""
    return any(gate.data_dependent for gate in getattr(model, "gates", ()))


def check_unit(unit):
    if unit not in UNITS:
        raise ValueError(
            f"Invalid value for `unit`. Expected one of {list(UNITS)}, or a table of milliseconds "
            f"by exit. Received: unit={unit!r}"
        )


def all_open(model, numbers: Sequence[int], unit: str, *energy_model) -> float:
    """The cost up to some exits with all groups open, gates included."""
    cost = by_gates(model, numbers, unit, *energy_model)
    if cost is not None:
        return float(cost.ungated + cost.gates.whole)
    features = [x for x in model.inputs if x.name != "utilization"]
    outputs = [model.outputs[number] for number in numbers]
    return UNITS[unit](keras.Model(features, outputs), *energy_model)


def by_gates(model, numbers: Sequence[int], unit: str, *energy_model) -> GatedCost | None:
    """The cost up to some exits as a function of the gates on the way; None if there are none.

    Args:
        model: with exits, gates and a dial.
        numbers: of the exits.
        unit: "macs" or "energy".
        *energy_model: for energy, what accesses and MACs cost; by default `EnergyModel()`.
    """
    part = ThrottledModel(model.input, [model.outputs[number] for number in numbers])
    return GATED[unit](part, *energy_model) if part.gates else None


def costs_at(model, unit: str, utilization: float | None = None) -> dict[str, float]:
    """The cost of each exit by name: of the way there and of its own head, and of no other.

    Args:
        model: with exits.
        unit: "macs" or "energy", Joules (wang2019, Eq. 6).
        utilization: float in (0, 1] for a model with a dial, 1 by default. With gates that read
            the data all groups count as open: no sample costs more.

    Raises:
        ValueError: if `unit` is neither, or a utilization is given for a model without a dial.
    """
    count = counter(model, unit, utilization)
    return {name: count(number) for number, name in enumerate(model.exit_names)}


def head_costs(model, unit: str, utilization: float | None = None) -> dict[str, float]:
    """What the head of each early exit adds to the whole network; arguments as for `costs_at`.

    The last exit has no head: what makes its answer is part of the way to it.
    """
    count, last = counter(model, unit, utilization), len(model.exit_names) - 1
    whole = count(last)
    return {
        name: count(number, last) - whole if number < last else 0
        for number, name in enumerate(model.exit_names)
    }


def exit_within(model, budget: float, unit: str | Mapping = "macs", utilization=None) -> str:
    """The last exit whose cost is within a budget (wang2019, III-B).

    Args:
        model: with exits.
        budget: share in (0, 1] of the cost of the whole network, at u = 1 where it has a dial; of
            a table, in its own unit.
        unit: "macs" or "energy"; or a table of what each exit takes, by name, such as
            milliseconds measured on a device.
        utilization: as for `costs_at`.

    Raises:
        ValueError: if the budget is no such number, or is below every exit.
    """
    table = isinstance(unit, Mapping)
    costs = check_table(unit, model) if table else costs_at(model, unit, utilization)
    if not table:
        whole = costs_at(model, unit)[model.exit_names[-1]]
        costs = {name: cost / whole for name, cost in costs.items()}
    return last_within(costs, budget, math.inf if table else 1)


def last_within(costs: Mapping[str, float], budget: float, most: float = 1) -> str:
    """The last exit whose cost is within a budget, which is `most` at most.

    Raises:
        ValueError: as `exit_within`.
    """
    valid = isinstance(budget, numbers.Real) and not isinstance(budget, bool)
    if not valid or not 0 < budget <= most:
        expected = "a float in (0, 1]" if most == 1 else "a positive number"
        raise ValueError(
            f"Invalid value for `budget`. Expected {expected}. Received: budget={budget!r}"
        )
    within = [name for name, cost in costs.items() if cost <= budget]
    if not within:
        least = min(costs, key=costs.get)
        raise ValueError(
            f"Invalid value for `budget`. Expected at least {rounded_up(costs[least])}, what the "
            f"cheapest exit '{least}' takes. Received: budget={budget!r}"
        )
    return within[-1]


def rounded_up(value: float) -> float:
    """To four significant digits, so that it is enough."""
    digits = 3 - math.floor(math.log10(value)) if value > 0 else 0
    return math.ceil(value * 10**digits) / 10**digits


def check_table(table: Mapping, model) -> dict[str, float]:
    """Returns a table of times after checking that it has each exit."""
    numeric = all(isinstance(one, numbers.Real) and one >= 0 for one in table.values())
    if {*table} != {*model.exit_names} or not numeric:
        raise ValueError(
            "Invalid value for `unit`. Expected a table with a number for each of the exits "
            f"{list(model.exit_names)}. Received: unit={dict(table)}"
        )
    return {name: float(table[name]) for name in model.exit_names}
