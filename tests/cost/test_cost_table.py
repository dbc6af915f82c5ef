"""The cost table: its text, its JSON, and the file that holds it."""

import json
import os

import keras
import pytest
from keras import layers

import keras_tnn as tnn
from keras_tnn.cost import CostTable, EnergyModel, cost_table, count_macs


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.MaxPooling2D(name="pool"),
        ],
        name="net",
    )


def test_text(model):
    per_mac = EnergyModel(dram=0.0, buffer=0.0, register=0.0, mac=1e-12)
    assert str(cost_table(model, energy_model=per_mac)).splitlines() == [
        "net, batch of one",
        "layer  kind          output    MACs   FLOPs  parameters  weights  activations   energy",
        "conv   Conv2D         6x6x4  3.89 k  7.78 k         112    448 B        576 B  3.89 nJ",
        "pool   MaxPooling2D   3x3x4       0       0           0      0 B        144 B      0 J",
        "total                        3.89 k  7.78 k         112    448 B        720 B  3.89 nJ",
        "FLOPs: 2 x MACs. With pooling (liu2022, Table 3): 7.85 k. Energy: wang2019, Eq. 6.",
    ]


def test_energies_add_up(model):
    table = cost_table(model)
    assert table.energy == pytest.approx(sum(table.energies))
    assert len(table.energies) == 2 and min(table.energies) > 0


def test_level_of_a_throttled_model():
    network = tnn.models.VGG((8, 8, 3), 3, num_groups=4, filters=((8,),), dense_units=None)
    half, full = cost_table(network, utilization=0.5), cost_table(network)
    assert (half.utilization, full.utilization) == (0.5, 1.0)
    assert half.total.macs == count_macs(network, 0.5) < full.total.macs
    assert str(half).startswith("vgg at u = 0.5, batch of one")


def test_json_holds_every_number(model):
    table = cost_table(model)
    content = json.loads(table.to_json())
    assert content["model"] == "net" and content["utilization"] is None
    assert content["flops_are"] == "2 x MACs"
    assert [layer["name"] for layer in content["layers"]] == ["conv", "pool"]
    conv = content["layers"][0]
    assert (conv["macs"], conv["flops"], conv["output_shape"]) == (3888, 7776, [6, 6, 4])
    assert content["total"]["flops_with_pooling"] == 7776 + 2 * 36
    assert content["total"]["energy"] == table.energy
    assert EnergyModel(**content["energy_model"]) == table.energy_model


def test_saves_json(model, tmp_path):
    path = tmp_path / "costs.json"
    path.write_text("older")
    table = cost_table(model)
    table.save(path)
    assert path.read_text() == table.to_json()
    assert os.listdir(tmp_path) == ["costs.json"]


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(model, tmp_path, monkeypatch):
    path = tmp_path / "costs.json"
    path.write_text("older")

    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cost_table(model).save(path)
    assert path.read_text() == "older"
    assert os.listdir(tmp_path) == ["costs.json"]


def test_folder_is_missing(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        cost_table(model).save(tmp_path / "absent" / "costs.json")


def test_table_without_rows():
    inputs = keras.Input((3,))
    table = cost_table(keras.Model(inputs, inputs, name="empty"))
    assert table == CostTable("empty", None, ())
    assert table.energy == 0 and str(table).splitlines()[2].split()[:2] == ["total", "0"]
