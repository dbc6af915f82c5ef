"""One descriptor for each public class and network: how to make one and what to feed it.

Each property of the suite is a test file of its own that runs over these lists. A public class
that stands in none of them fails `test_completeness.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_tnn import (
    analysis,
    callbacks,
    controllers,
    cost,
    exits,
    gates,
    layers,
    losses,
    models,
    surgery,
    training,
)

SAMPLES = 4
UTILIZATION = np.array([0.25, 0.5, 0.75, 1.0], "float32")


@dataclass(frozen=True)
class Descriptor:
    """How to make an object of a public class, or call a public function that builds a model."""

    public: Callable
    arguments: dict[str, Any] = field(default_factory=dict)
    features: tuple[int, ...] = ()  # shape of one sample, for layers and models

    def make(self, **more) -> Any:
        return self.public(**self.arguments, **more)

    def samples(self) -> np.ndarray:
        shape = (SAMPLES, *self.features)
        return np.random.default_rng(0).normal(size=shape).astype("float32")

    def model_of_layer(self, layer) -> keras.Model:
        """The layer in a throttled model: some weights before it, one number a sample after it."""
        features = keras.Input(self.features)
        utilization = keras.Input((), name="utilization", optional=True)
        x = keras.layers.Dense(self.features[-1], name="before")(features)
        x = keras.layers.Flatten()(layer([x, utilization]))
        outputs = keras.layers.Dense(1, name="after")(x)
        return training.ThrottledModel([features, utilization], outputs)

    def __str__(self) -> str:
        return self.public.__name__


LAYERS = [
    Descriptor(layers.ChannelGate, {"num_groups": 4}, (5, 8)),
    Descriptor(layers.GroupedSum, {"num_groups": 4}, (5, 8)),
    Descriptor(layers.ResidualGate, {"num_groups": 3, "index": 1}, (5, 8)),
    Descriptor(
        layers.ThrottleableConv1D, {"filters": 8, "kernel_size": 3, "num_groups": 4}, (6, 3)
    ),
    Descriptor(
        layers.ThrottleableConv2D,
        {"filters": 8, "kernel_size": 3, "num_groups": 4, "strides": 2, "padding": "same"},
        (6, 5, 3),
    ),
    Descriptor(
        layers.ThrottleableConv3D, {"filters": 8, "kernel_size": 2, "num_groups": 4}, (4, 4, 3, 2)
    ),
    Descriptor(layers.ThrottleableDepthwiseConv2D, {"kernel_size": 3, "num_groups": 4}, (6, 5, 8)),
    Descriptor(
        layers.ThrottleableSeparableConv2D,
        {"filters": 8, "kernel_size": 3, "num_groups": 4, "activation": "relu"},
        (6, 5, 3),
    ),
    Descriptor(layers.ThrottleableDense, {"units": 8, "num_groups": 4}, (5,)),
    Descriptor(
        layers.ThrottleableGroupQueryAttention,
        {"head_dim": 3, "num_query_heads": 8, "num_key_value_heads": 4, "num_groups": 4},
        (5, 8),
    ),
    Descriptor(
        layers.ThrottleableGroupNormalization,
        {"groups": 2, "num_groups": 4, "channel_groups": [0, 1, 2, 3] * 2},
        (5, 8),
    ),
    Descriptor(layers.ThrottleableLayerNormalization, {"num_groups": 4}, (5, 8)),
    Descriptor(layers.ThrottleableRMSNormalization, {"num_groups": 4}, (5, 8)),
    Descriptor(
        layers.ThrottleableMultiHeadAttention,
        {"num_heads": 4, "key_dim": 2, "output_shape": 6, "num_groups": 4},
        (5, 8),
    ),
]

# Layers that are called on their inputs alone, without a gate.
PLAIN_LAYERS = [
    Descriptor(layers.ChannelShuffle, {"groups": 2}, (5, 8)),
    Descriptor(layers.ForEachSample, {}, (5, 8)),
    Descriptor(layers.Parameter, {"shape": (8,), "autocast": False}, (5, 8)),
    Descriptor(layers.SelectedChannels, {"channels": [-1, 0, 2], "constants": [5, 0, 0]}, (5, 8)),
]

GATES = [
    Descriptor(gates.Nested, {"num_groups": 4, "min_groups": 1, "order": [2, 0, 1, 3]}),
    Descriptor(gates.Independent, {"num_groups": 4, "normalize": True, "seed": 3}),
    Descriptor(gates.DataIndependent, {"num_groups": 4, "open_probability": 0.6}),
    Descriptor(gates.Blind, {"num_groups": 4, "always_open": [2], "open_probability": 0.9}),
]

# Gates that are called with features.
DATA_GATES = [
    Descriptor(gates.DataDependent, {"num_groups": 4, "min_groups": 1, "memory": True}, (6,)),
    Descriptor(gates.Convolutional, {"num_groups": 4, "min_groups": 1, "bottleneck": 4}, (5, 6)),
]

# Gates that are called with features and hand a state on.
STATE_GATES = [
    Descriptor(gates.Recurrent, {"units": 5, "open_probability": 0.6}, (6,)),
]

# Gates that are called with an image.
IMAGE_GATES = [
    Descriptor(gates.BudgetPolicy, {"num_groups": 4, "always_open": [2], "hidden_units": 8}),
]

ESTIMATORS = [
    Descriptor(gates.StraightThrough, {"temperature": 0.5, "seed": 1}),
    Descriptor(gates.Concrete, {"temperature": 0.2, "seed": 1}),
    Descriptor(gates.Soft, {"hard": True, "seed": 1}),
    Descriptor(gates.Reinforce, {"alpha": 0.9, "seed": 1}),
]

LOSSES = [
    Descriptor(losses.InPlaceDistillation, {"from_logits": True, "temperature": 2.0}),
    Descriptor(losses.InPlaceBinaryDistillation, {"from_logits": True}),
]

# Losses on (target, complexity): a callback adds them to the compiled one.
COMPLEXITY_LOSSES = [
    Descriptor(losses.BatchActivationLoss),
    Descriptor(losses.ConstQuad),
    Descriptor(losses.DistanceComplexity, {"p": 1}),
    Descriptor(losses.HingeComplexity, {"p": 1}),
    Descriptor(losses.PerGateActivation),
]

METRICS = [
    Descriptor(training.GateActivity, {"groups": {"pruned": [1, 2, 3]}}),
]

LEVELS = (0.25, 0.5, 1.0)
CALLBACKS = [
    Descriptor(callbacks.UtilizationCallback),
    Descriptor(callbacks.UniformUtilization, {"low": 0.2, "per": "batch"}),
    Descriptor(callbacks.DiscreteUtilization, {"levels": LEVELS, "probabilities": (1, 1, 2)}),
    Descriptor(callbacks.FixedUtilization, {"utilization": 0.5}),
    Descriptor(callbacks.AnnealedUtilization, {"step": 0.25}),
    Descriptor(callbacks.UtilizationCurriculum, {"start": 0.25, "step": 0.25}),
    Descriptor(callbacks.SandwichRule, {"levels": LEVELS, "distillation": True}),
]

# For models with learned gates.
GATE_CALLBACKS = [
    Descriptor(callbacks.BatchActivation, {"target": 0.5, "start": 0.7, "every": 1}),
    Descriptor(callbacks.SkippingRatio, {"target": 0.5, "complexity": "gates"}),
]

IMAGE = {"input_shape": (8, 8, 3), "num_classes": 3}
CLIP = {"input_shape": (2, 8, 8, 3), "num_classes": 3}
MODELS = [
    Descriptor(
        models.VGG,
        {**IMAGE, "num_groups": 4, "filters": ((8,), (8,)), "dense_units": 8},
        (8, 8, 3),
    ),
    Descriptor(models.ResNet, {**IMAGE, "depth": 8, "num_groups": 2, "width": 4}, (8, 8, 3)),
    Descriptor(models.ResNet, {**IMAGE, "depth": 8, "axis": "depth", "width": 4}, (8, 8, 3)),
    Descriptor(
        models.ResNet50, {**IMAGE, "num_groups": 2, "width": 4, "blocks": (1, 1)}, (8, 8, 3)
    ),
    Descriptor(models.ResNeXt, {**IMAGE, "depth": 11, "branch_width": 2, "filters": 16}, (8, 8, 3)),
    Descriptor(
        models.ResNeXt50,
        {**IMAGE, "num_groups": 2, "cardinality": 2, "filters": 8, "blocks": (1, 1)},
        (8, 8, 3),
    ),
    Descriptor(
        models.DenseNet,
        {**IMAGE, "num_groups": 2, "growth": 4, "layers_per_block": (2, 1)},
        (8, 8, 3),
    ),
    Descriptor(
        models.C3D,
        {**CLIP, "num_groups": 2, "filters": ((4,), (4,)), "dense_units": (8,)},
        (2, 8, 8, 3),
    ),
    Descriptor(
        models.ShuffleNet3D, {**CLIP, "num_groups": 2, "width": 48, "units": (2,)}, (2, 8, 8, 3)
    ),
]

# Built by keras.applications: large, and tested in their room.
APPLICATIONS = [
    models.DenseNet121,
    models.DenseNet169,
    models.DenseNet201,
    models.MobileNetV2,
]

# Bases that a user derives from: their docstring says what a subclass writes.
ABSTRACT = [
    gates.Gate,
    gates.LearnedGate,
    gates.Estimator,
    losses.Complexity,
    callbacks.UtilizationCallback,
    training.Baseline,
    training.Objective,
    training.Regime,
]

# Values and strategies without a property of their own here; their rooms test them.
OTHERS = [
    analysis.Choices,
    analysis.ChoicesTable,
    analysis.Escalation,
    analysis.BudgetRow,
    analysis.BudgetTable,
    analysis.ExitOutcomes,
    analysis.ExitRow,
    analysis.ExitTable,
    analysis.LevelRow,
    analysis.LevelTable,
    analysis.Outcomes,
    controllers.ContextualBandit,
    controllers.JointTuning,
    controllers.Reward,
    gates.AlwaysOn,
    gates.Ensemble,
    gates.Decision,
    gates.Stochastic,
    gates.Threshold,
    layers.ConditionalSum,
    layers.HardGate,
    losses.BudgetReward,
    losses.EnergyShare,
    losses.GateActivation,
    losses.LevelDistillation,
    losses.MacroAverage,
    losses.MacsShare,
    losses.MeasuredShare,
    analysis.GatingRow,
    analysis.GatingTable,
    callbacks.BatchNormReestimation,
    callbacks.BudgetCurriculum,
    callbacks.GateSummary,
    callbacks.LevelValidation,
    callbacks.ReinforceAlpha,
    cost.CostTable,
    cost.GatedCost,
    cost.EnergyModel,
    cost.LayerCost,
    exits.ExitThresholds,
    exits.ExitsModel,
    exits.GatedExitsModel,
    exits.ThrottledExitsModel,
    exits.ThrottledGatedExitsModel,
    surgery.Cut,
    surgery.Elementwise,
    surgery.GateCall,
    surgery.Kept,
    surgery.Mixing,
    surgery.Origin,
    surgery.PerChannel,
    surgery.Rule,
    surgery.Segment,
    surgery.Slice,
    training.BudgetObjective,
    training.Critic,
    training.DiscreteDraw,
    training.ForwardPass,
    training.GateObjective,
    training.LeaveOneOut,
    training.PerBatch,
    training.PerSample,
    training.Sandwich,
    training.SkippingObjective,
    training.ThrottledModel,
    training.UniformDraw,
]

# What is serialised by its configuration.
CONFIGURABLE = LAYERS + PLAIN_LAYERS + GATES + DATA_GATES + STATE_GATES + IMAGE_GATES + ESTIMATORS
CONFIGURABLE += LOSSES + COMPLEXITY_LOSSES + METRICS
EVERY = CONFIGURABLE + CALLBACKS + GATE_CALLBACKS + MODELS


def described() -> set:
    return {descriptor.public for descriptor in EVERY} | {*ABSTRACT, *APPLICATIONS, *OTHERS}
