"""Energy of one inference: what memory accesses and multiply-accumulates cost (wang2019, Eq. 6).

    E = sum over levels i of #acc_i e_i + #MAC e_MAC

The levels are three, as in the paper: main memory, a buffer on the chip, registers. The paper
counts accesses by a simulator of one accelerator; here they follow from the network alone, so that
one layer can be checked by hand. For each call of a layer, a batch of one:

- DRAM: each weight and each input value is read once, each output value is written once.
  That is `LayerCost.moved_bytes`; `keras_tnn.cost.memory` names the calls that move less.
- Buffer: what goes between DRAM and the registers is written to the buffer once and read once.
- Registers: a MAC reads weight, input and partial sum and writes the partial sum: four accesses.
- MACs: `LayerCost.macs`. Work that is no MAC (biases, activations, pooling) is not counted.

Nothing is moved twice, as if the buffer held a whole layer. The result is a lower bound for a
device that runs layer by layer, and meant to compare levels, not to predict a battery.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import keras

from keras_tnn.cost.layer_costs import LayerCost, layer_costs, sum_of

# float32 in 45 nm: 0.9 pJ an addition and 3.7 pJ a multiplication.
FLOAT32_MAC = 4.6e-12


@dataclass(frozen=True)
class EnergyModel:
    """What an access and a MAC cost. Replace any of the constants by those of your device.

    The defaults are the relative costs of Chen, Emer and Sze, "Eyeriss" (ISCA 2016), Table IV
    (measured in 65 nm: DRAM 200, buffer 6, register 1, MAC 1) times a float32 MAC of Horowitz,
    "Computing's energy problem" (ISSCC 2014; 45 nm, 0.9 + 3.7 pJ). One access moves one float32.
    The resulting 920 pJ a DRAM access lie within Horowitz's own 1.3 to 2.6 nJ for 64 bits.

    For int8, one value an access is a quarter of the bytes, and a MAC takes 0.03 + 0.2 pJ:
    `EnergyModel(dram=230e-12, buffer=6.9e-12, register=1.15e-12, mac=0.23e-12)` on a float32
    Keras model, whose values have four bytes as the `bytes_per_access` they are counted by.

    Attributes:
        dram: Joules an access of main memory.
        buffer: Joules an access of the buffer on the chip.
        register: Joules an access of a register file.
        mac: Joules a multiply-accumulate.
        bytes_per_access: bytes that one access of DRAM or buffer moves, at least 1.

    Raises:
        ValueError: if an energy is negative or not finite, or `bytes_per_access` is below 1.

    Example:

    >>> cost = layer_costs(keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)]))[0]
    >>> EnergyModel().accesses(cost)  # 50 weights, 5 biases, 10 inputs, 5 outputs; 50 MACs
    {'dram': 70.0, 'buffer': 140.0, 'register': 200}
    >>> EnergyModel(dram=1.0, buffer=0.0, register=0.0, mac=0.0).energy(cost)
    70.0
    """

    dram: float = 200 * FLOAT32_MAC
    buffer: float = 6 * FLOAT32_MAC
    register: float = FLOAT32_MAC
    mac: float = FLOAT32_MAC
    bytes_per_access: int = 4

    def __post_init__(self):
        for field in fields(self):
            value, least = getattr(self, field.name), int(field.name == "bytes_per_access")
            if not (math.isfinite(value) and value >= least):
                expected = "bytes, at least 1" if least else "Joules, zero or more"
                raise ValueError(
                    f"Invalid value for `{field.name}`. Expected {expected}. "
                    f"Received: {field.name}={value!r}"
                )

    def accesses(self, cost: LayerCost) -> dict[str, float]:
        """Number of accesses of each memory level, `#acc_i` of Eq. 6."""
        moved = cost.moved_bytes / self.bytes_per_access
        return {"dram": moved, "buffer": 2 * moved, "register": 4 * cost.macs}

    def energy(self, cost: LayerCost) -> float:
        """Joules of one layer, or of a sum of them (wang2019, Eq. 6)."""
        accesses = self.accesses(cost).items()
        return sum(count * getattr(self, level) for level, count in accesses) + cost.macs * self.mac


def energy(
    model_or_costs: keras.Model | Iterable[LayerCost],
    energy_model: EnergyModel | None = None,
    utilization: float | None = None,
    input_shape=None,
) -> float:
    """Joules of one inference of a model, for a batch of one (wang2019, Eq. 6).

    Args:
        model_or_costs: functional or sequential Keras model, or what `layer_costs` returned.
        energy_model: what accesses and MACs cost; `EnergyModel()` by default.
        utilization: float in (0, 1], for a throttled model only. Defaults to 1.0.
        input_shape: sizes of a sample where the model leaves some open, as `count_macs` takes it.

    Returns:
        Float. `EnergyModel.energy` gives it for one layer.

    Raises:
        ValueError: as `layer_costs`.

    Example:

    >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
    >>> dram, buffer, register, mac = 70 * 920, 140 * 27.6, 200 * 4.6, 50 * 4.6  # pJ
    >>> round(energy(model) * 1e12, 6) == round(dram + buffer + register + mac, 6)
    True
    """
    if isinstance(model_or_costs, keras.Model):
        model_or_costs = layer_costs(model_or_costs, utilization, input_shape)
    return (energy_model or EnergyModel()).energy(sum_of(model_or_costs))
