"""Programs and what belongs to them, read from the fields of a manifest."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from tnn_tflite.bundle.description import Preprocessing
from tnn_tflite.bundle.manifest_fields import Fields
from tnn_tflite.bundle.programs import (
    GATED,
    LEVEL,
    LEVEL_SEGMENT,
    Edge,
    GatedNetwork,
    Level,
    LevelSegment,
    NamedBudget,
    Program,
    Quantization,
    TensorSpec,
)

Value = TypeVar("Value")


def program(fields: Fields, roles: Collection[str]) -> Program:
    """Reads a program of version 3, whose role must be one of `roles`."""
    role = fields.text("role")
    if role not in roles:
        raise fields.error(
            "role",
            f"a role that is known here ({', '.join(roles)})",
            advice="This bundle has a program that this reader cannot run: upgrade keras-tnn, or "
            "convert the model again without it.",
        )
    common = {
        "name": fields.text("name"),
        **_content(fields),
        **_tensors(fields, "input"),
        **_tensors(fields, "output"),
    }
    if role == LEVEL:
        return Level(utilization=fields.utilization("utilization"), **common)
    if role == LEVEL_SEGMENT:
        return LevelSegment(
            utilization=fields.utilization("utilization"),
            exit=fields.text("exit"),
            accuracy=fields.share("accuracy") if "accuracy" in fields else None,
            **common,
        )
    if role == GATED:
        return GatedNetwork(component_macs=fields.counts("component_macs"), **common)
    return Program(role=role, **common)


def levels_of_version_2(fields: Fields) -> tuple[Level, ...]:
    """Reads the levels of versions 1 and 2, where all have their tensors in one place."""
    inputs = tuple(_tensor_spec(record) for record in fields.records("inputs"))
    outputs = tuple(_tensor_spec(record) for record in fields.records("outputs"))
    return tuple(_level_of_version_2(level, inputs, outputs) for level in fields.records("levels"))


def edge(fields: Fields) -> Edge:
    """Reads an edge."""
    return Edge(*(fields.text(name) for name in ("from", "output", "to", "input")))


def budget(fields: Fields) -> NamedBudget:
    """Reads a named budget."""
    return NamedBudget(fields.utilization("utilization"), fields.integer("macs", at_least=0))


def labels(fields: Fields) -> dict[str, tuple[str, ...]]:
    """Reads the names of classes, by output."""
    return _by_name(fields, "labels", lambda record, name: tuple(record.texts(name)))


def preprocessing(fields: Fields) -> dict[str, Preprocessing]:
    """Reads how pictures become inputs, by input."""
    return _by_name(
        fields, "preprocessing", lambda record, name: _preprocessing(record.record(name))
    )


def _by_name(fields: Fields, key: str, read: Callable[[Fields, str], Value]) -> dict[str, Value]:
    if key not in fields:
        return {}
    record = fields.record(key)
    return {name: read(record, name) for name in record}


def _preprocessing(fields: Fields) -> Preprocessing:
    return Preprocessing(
        scale=fields.numbers("scale"),
        offset=fields.numbers("offset"),
        colours=fields.choice("colours", ("RGB", "BGR", "grey")),
        resize=fields.choice("resize", ("stretch", "crop")),
    )


def _content(fields: Fields) -> dict[str, Any]:
    return {
        "file": fields.text("file"),
        "macs": fields.integer("macs", at_least=0),
        "parameters": fields.integer("parameters", at_least=0),
        "bytes": fields.integer("bytes", at_least=1),
        "sha256": fields.sha256("sha256"),
    }


def _tensors(fields: Fields, kind: str) -> dict[str, Any]:
    records = fields.records(f"{kind}s")
    found = tuple(_quantization(record.optional_record("quantization")) for record in records)
    return {
        f"{kind}s": tuple(_tensor_spec(record) for record in records),
        f"{kind}_quantization": found if any(found) else (),
    }


def _level_of_version_2(
    fields: Fields, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> Level:
    utilization = fields.utilization("utilization")
    quantizations = {
        name: tuple(map(_quantization, fields.optional_records(name)))
        for name in ("input_quantization", "output_quantization")
    }
    return Level(
        name=f"u{utilization}",
        utilization=utilization,
        inputs=inputs,
        outputs=outputs,
        **_content(fields),
        **quantizations,
    )


def _tensor_spec(fields: Fields) -> TensorSpec:
    return TensorSpec(
        name=fields.text("name"), shape=fields.sizes("shape"), dtype=fields.dtype("dtype")
    )


def _quantization(fields: Fields | None) -> Quantization | None:
    if fields is None:
        return None
    return Quantization(fields.positive("scale"), fields.integer("zero_point"))
