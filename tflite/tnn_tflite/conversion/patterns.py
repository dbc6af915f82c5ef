"""Layout "patterns": a budget policy and the network that it opens, each a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tnn_tflite.bundle.pattern_writer import PatternContent
from tnn_tflite.bundle.program_content import ProgramContent
from tnn_tflite.bundle.programs import NamedBudget
from tnn_tflite.conversion.converted_level import program_fields
from tnn_tflite.conversion.keras_to_tflite import tflite_file
from tnn_tflite.quantization.plan import Plan
from tnn_tflite.quantization.representative import read_samples
from tnn_tflite.sharing.merge import merge

if TYPE_CHECKING:
    import keras

    from keras_tnn.surgery.policy_apart import PolicyApart

MEASURED = 256  # samples by which the mean MACs of a budget are measured


def pattern_content(
    model: keras.Model,
    budgets: Sequence[float],
    plan: Plan,
    *,
    calibration_data: Any = None,
    threshold: float = 0.5,
    verbose: bool = True,
) -> PatternContent:
    """Converts a model with a budget policy.

    Args:
        model: The model.
        budgets: Utilizations in (0, 1], rising, that get a name.
        plan: How both programs are quantized.
        calibration_data, threshold, verbose: As for `convert`.

    Returns:
        Both programs, ready to be written.

    Raises:
        ValueError: If the model has no such policy, or a component cannot be skipped.
    """
    import keras_tnn

    start = time.perf_counter()
    parts = keras_tnn.surgery.policy_apart(model, threshold, calibration_data, budgets=budgets)
    policy_plan, network_plan = plan, plan
    if plan.samples is not None:
        policy_plan = replace(plan, samples=_with_budgets(plan.samples, budgets))
        network_plan = replace(plan, samples=_with_gates(parts, plan.samples, budgets))
    policy = ProgramContent(
        **program_fields(parts.policy, tflite_file(parts.policy, policy_plan, "the budget policy"))
    )
    network = program_fields(
        parts.network, tflite_file(parts.network, network_plan, f"'{parts.network.name}'")
    )
    # In this order of its parts a device can cut it.
    network = ProgramContent(**network | {"content": merge({1.0: network["content"]})})
    samples = plan.samples
    if samples is None and calibration_data is not None:
        samples = read_samples(calibration_data, model, MEASURED)
    named = [
        NamedBudget(float(one), _mean_macs(parts, samples, one, policy.macs, network.macs))
        for one in budgets
    ]
    if verbose:
        print(_progress(policy, network, named, time.perf_counter() - start))
    return PatternContent(policy, network, parts.component_macs, named)


def check_policy(
    model: Any, budgets: Sequence[float], controller: Any, inference_type: str
) -> tuple[float, ...]:
    """Returns the budgets; raises `ValueError` for arguments of `convert` that do not fit."""
    import keras

    import keras_tnn
    from keras_tnn.utilization import check_levels

    gates = keras_tnn.surgery.gates_of(model) if isinstance(model, keras.Model) else []
    if [gate.whole_network and gate.data_dependent for gate in gates] != [True]:
        raise ValueError(
            "Invalid value for `layout`. Expected layout='patterns' for a model with one gate that "
            "decides for the whole network, a BudgetPolicy. Received: "
            + (f"gates {[type(gate).__name__ for gate in gates]}" if gates else "a model without")
        )
    if controller is not None or inference_type != "float32":
        raise ValueError(
            "Invalid value for `layout`. Expected no controller, whose place the policy has, and "
            "inference_type='float32' with layout='patterns'. Received: "
            f"controller={controller!r}, inference_type={inference_type!r}"
        )
    return check_levels(budgets)


def _with_budgets(
    samples: Sequence[np.ndarray], budgets: Sequence[float]
) -> tuple[np.ndarray, ...]:
    """Samples of the policy: all of (0, 1], as any budget may be asked for, the named ones too."""
    spread = np.concatenate([np.linspace(0.05, 1.0, 20), budgets])
    return (*samples, np.resize(spread, len(samples[0])).astype("float32"))


def _with_gates(
    parts: PolicyApart, samples: Sequence[np.ndarray], budgets: Sequence[float]
) -> tuple[np.ndarray, ...]:
    """Samples of the network: gates as the policy has them, the budgets in turn.

    Every eighth sample has all gates open: what stands behind an `IF` that none takes would have no
    ranges.
    """
    gates = np.stack([parts.decide(samples, budget) for budget in budgets])
    chosen = gates[np.arange(len(samples[0])) % len(budgets), np.arange(len(samples[0]))]
    chosen[::8] = 1.0
    return (*samples, chosen)


def _mean_macs(
    parts: PolicyApart,
    samples: Sequence[np.ndarray] | None,
    budget: float,
    policy_macs: int,
    network_macs: int,
) -> int:
    """What a sample takes on average; without samples what it takes at most."""
    macs = np.array(parts.component_macs)
    if samples is None:
        return policy_macs + network_macs
    closed = 1 - parts.decide([x[:MEASURED] for x in samples], budget)
    return policy_macs + network_macs - round(float((closed @ macs).mean()))


def _progress(
    policy: ProgramContent, network: ProgramContent, named: Sequence[NamedBudget], seconds: float
) -> str:
    budgets = ", ".join(f"u={one.utilization:g}: {one.macs:,}" for one in named)
    return (
        f"policy: {policy.macs:,} MACs, {len(policy.content):,} bytes; network: "
        f"{network.macs:,} MACs, {len(network.content):,} bytes; on average {budgets} "
        f"({seconds:.1f} s)"
    )
