"""Training on slices: a level's forward pass that computes only its active channels.

The level's plain network is cut once (see `surgery`); each step then runs it on slices of the
whole model's weights, through which the gradients flow back.
"""

from keras import ops

from keras_tnn.surgery.cut import cut
from keras_tnn.surgery.materialize import read_throttled_graph
from keras_tnn.surgery.slices import is_plain


class ActivePaths:
    """The forward passes of a throttled model at a list of levels.

    Args:
        model: `keras_tnn.ThrottledModel`.
        levels: rising floats in (0, 1].

    Raises:
        ValueError: if a level cannot be run on slices alone, because a constant was folded, or
            gates are learned.
    """

    def __init__(self, model, levels):
        if model.learned_gates:
            raise ValueError(
                f"Model '{model.name}' cannot train on its active channels alone: its gates are "
                "learned, so that they differ from step to step. Draw utilization per sample."
            )
        graph = read_throttled_graph(model)
        self.levels = tuple(float(level) for level in levels)
        self.cuts = [cut(graph, level, name=f"at_{level:g}") for level in self.levels]
        if not all(is_plain(one.slices) for one in self.cuts):
            raise ValueError(
                f"Model '{model.name}' cannot train one utilization a batch: a batch "
                "normalisation stands behind a gate and turns closed channels into constants. "
                "Put the gate after the normalisation, or draw utilization per sample."
            )
        self.states = [v for v in model.variables if not v.trainable]

    def run(self, index: int, features: list, update: bool):
        """Outputs of one level in training mode; `update` moves the batch-norm statistics on."""
        outputs, states = self.step(index, features)
        if update:
            self.assign(states)
        return outputs

    def switch(self, index, features: list, update: bool):
        """As `run`, for an integer tensor: only the chosen level is computed."""
        branches = [lambda *features, i=i: self.step(i, features) for i in range(len(self.levels))]
        outputs, states = ops.switch(index, branches, *features)
        if update:
            self.assign(states)
        return outputs

    def assign(self, states):
        for variable, value in zip(self.states, states, strict=True):
            variable.assign(value)

    def step(self, index: int, features):
        """Outputs of a level, and the model's states after it."""
        model, slices = self.cuts[index].model, self.cuts[index].slices
        source = {id(s.target): s for s in slices}
        values = [
            [source[id(v)].read() for v in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        ]
        inputs = features[0] if len(features) == 1 else list(features)
        outputs, updated = model.stateless_call(*values, inputs, training=True)
        written = {
            id(source[id(v)].source): source[id(v)].write(value)
            for v, value in zip(model.non_trainable_variables, updated, strict=True)
        }
        return outputs, [written.get(id(v), ops.convert_to_tensor(v)) for v in self.states]
