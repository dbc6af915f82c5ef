"""Damage of every kind for a bundle, drawn from a seed.

A bundle that is only damaged keeps its hashes. `seal` makes it an attacker's: sizes and hashes in
the manifest are made anew, the manifest's own is left out, so that every check of them passes.
"""

import hashlib
import itertools
import json
import random
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tnn_tflite import BundleError
from tnn_tflite.sharing import plan
from tnn_tflite.sharing.cut_level import cut_level

MANIFEST = "manifest.json"
NUMBERS = (-(2**31), -1, 0, 1, 2, 3, 7, 127, 128, 255, 256, 65_535, 2**24, 2**31 - 1)
JSON_VALUES = (None, True, -1, 0, 0.3, 1e308, float("nan"), 10**30, "", "../x", "u1.0.tflite", [])
JSON_VALUES = (
    *JSON_VALUES,
    {},
    [1],
    [-1],
    [10**9] * 3,
    "float64",
    "int8",
    "a" * 10_000,
    "\0",
    "\ud800",
)


def mutate_bundle(directory: Path, draw: random.Random, sealed: bool) -> str:
    """Damages one file of a bundle in place.

    Args:
        directory: The bundle, of any layout.
        draw: Where chance comes from.
        sealed: Whether the manifest is then made to agree with the damaged file.

    Returns:
        What was done, for the table of outcomes.
    """
    files = sorted(path for path in directory.iterdir() if path.name != MANIFEST)
    of_manifest = draw.random() < 0.4
    path = directory / MANIFEST if of_manifest else draw.choice(files)
    kind, change = draw.choice(MANIFEST_MUTATIONS if of_manifest else FILE_MUTATIONS)
    if sealed and of_manifest:
        seal(directory)
    path.write_bytes(change(path.read_bytes(), draw))
    if sealed and not of_manifest:
        seal(directory)
    return f"{'manifest' if of_manifest else 'file'}: {kind}"


def seal(directory: Path) -> None:
    """Makes sizes and hashes in the manifest those of the files as they are now."""
    path = directory / MANIFEST
    manifest = json.loads(path.read_text())
    manifest.pop("manifest_sha256", None)
    shared = manifest.get("shared")
    for record in [shared] if shared else manifest["programs"]:
        _seal(record, (directory / record["file"]).read_bytes())
    for index, level in enumerate(manifest["programs"] if shared else ()):
        with suppress(BundleError), open(directory / shared["file"], "rb") as file:
            _seal(level, cut_level(file, index, level["bytes"]))
    path.write_text(json.dumps(manifest))


def _seal(record: dict[str, Any], content: bytes) -> None:
    record["bytes"] = len(content)
    record["sha256"] = hashlib.sha256(content).hexdigest()


def flip_bits(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 4, 32))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def truncate(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(1, len(content))]


def extend(content: bytes, draw: random.Random) -> bytes:
    return content + draw.randbytes(draw.choice((1, 4, 1000)))


def zero_block(content: bytes, draw: random.Random) -> bytes:
    start, size = _block(content, draw)
    return content[:start] + bytes(size) + content[start + size :]


def swap_blocks(content: bytes, draw: random.Random) -> bytes:
    start, size = _block(content, draw)
    other = draw.randrange(0, len(content) - size + 1)
    changed = bytearray(content)
    changed[start : start + size] = content[other : other + size]
    changed[other : other + size] = content[start : start + size]
    return bytes(changed)


def change_number(content: bytes, draw: random.Random) -> bytes:
    """Changes what looks like an index, a size, an offset or an option of the flatbuffer."""
    places = range(0, len(content) - 3, 4)
    structure = [at for at in places if 0 < struct.unpack_from("<i", content, at)[0] < 2**16]
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.choice(structure or [0])
        old = struct.unpack_from("<i", content, at)[0]
        value = draw.choice((*NUMBERS, old - 1, old + 1, old * 2, old + 4, old - 4))
        struct.pack_into("<I", changed, at, value % 2**32)
    return bytes(changed)


def change_byte(content: bytes, draw: random.Random) -> bytes:
    """Changes a small byte between zeros: operator codes, types, paddings, activations."""
    small = [m.start() for m in re.finditer(rb"[\x01-\x1f](?=\0)", content)]
    changed = bytearray(content)
    changed[draw.choice(small or [0])] = draw.choice((0, 1, 2, 3, 9, 22, 32, 127, 128, 255))
    return bytes(changed)


def change_plan(content: bytes, draw: random.Random) -> bytes:
    """Changes what stands in the plan of a level in a shared file, and packs it again."""
    if content[-len(plan.MAGIC) :] != plan.MAGIC:
        return change_number(content, draw)
    base, size, count, magic = plan.FOOTER.unpack(content[-plan.FOOTER.size :])
    inflated = zlib.decompress(content[base : -plan.FOOTER.size])
    assert len(inflated) == size
    inflated = _changed_plan(inflated, count, draw)
    footer = plan.FOOTER.pack(base, len(inflated), count, magic)
    return b"".join((content[:base], zlib.compress(inflated), footer))


def _changed_plan(content: bytes, count: int, draw: random.Random) -> bytes:
    """The plan with another header of a level, or with other bytes around the headers."""
    start = count * plan.SIZES.size
    sizes = [list(row) for row in plan.SIZES.iter_unpack(content[:start])]
    ends = list(itertools.accumulate((header for header, *_ in sizes), initial=start))
    headers = [content[start:end] for start, end in itertools.pairwise(ends)]
    rest = content[ends[-1] :]
    if draw.random() < 0.8:
        chosen = draw.choice([index for index, header in enumerate(headers) if header])
        change = draw.choice((set_value, nudge, swap_values, remove))
        headers[chosen] = change(headers[chosen], draw)
        sizes[chosen][0] = len(headers[chosen])
    elif draw.random() < 0.5:
        draw.choice(sizes)[draw.randrange(3)] = draw.choice((0, 1, 2**16, 2**32 - 1))
    else:
        rest = draw.choice((flip_bits, truncate, change_number))(rest, draw)
    return b"".join((*(plan.SIZES.pack(*row) for row in sizes), *headers, rest))


def _block(content: bytes, draw: random.Random) -> tuple[int, int]:
    size = min(draw.choice((1, 4, 16, 256)), len(content))
    return draw.randrange(0, len(content) - size + 1), size


def set_value(text: bytes, draw: random.Random) -> bytes:
    return _edit(text, draw, lambda owner, key: owner.__setitem__(key, draw.choice(JSON_VALUES)))


def remove(text: bytes, draw: random.Random) -> bytes:
    return _edit(text, draw, lambda owner, key: owner.__delitem__(key))


def nudge(text: bytes, draw: random.Random) -> bytes:
    """Changes a number a little; a value that is no number becomes one."""

    def change(owner: Any, key: Any) -> None:
        value = owner[key] if isinstance(owner[key], int | float) else 1
        owner[key] = draw.choice((value + 1, value - 1, value * 2, value / 2, -value))

    return _edit(text, draw, change)


def swap_values(text: bytes, draw: random.Random) -> bytes:
    def change(owner: Any, key: Any) -> None:
        other = draw.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
        owner[key], owner[other] = owner[other], owner[key]

    return _edit(text, draw, change)


def repeat_entry(text: bytes, draw: random.Random) -> bytes:
    """Repeats an entry of a list, or gives an object a key twice, as JSON's text can."""

    def change(owner: Any, key: Any) -> None:
        if isinstance(owner, list):
            owner.append(owner[key])
        else:
            owner["twice"] = draw.choice(JSON_VALUES)
            names.append(key)

    names: list[str] = []
    changed = _edit(text, draw, change)
    return changed.replace(b'"twice"', json.dumps(names[0]).encode()) if names else changed


def rewrite(text: bytes, draw: random.Random) -> bytes:
    """What somebody does who edits by hand and means well: nothing that a reader may refuse."""
    manifest = {key: value for key, value in json.loads(text).items() if key != "manifest_sha256"}
    manifest[f"note {draw.random()}"] = draw.choice(JSON_VALUES)
    return json.dumps(manifest, indent=draw.randrange(5)).encode()


def _edit(text: bytes, draw: random.Random, change: Any) -> bytes:
    manifest = json.loads(text)
    change(*draw.choice(list(_places(manifest))))
    return json.dumps(manifest).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every entry of a JSON value, as its owner and its key there."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


FILE_MUTATIONS = (
    ("bits flipped", flip_bits),
    ("truncated", truncate),
    ("extended", extend),
    ("zeroed", zero_block),
    ("swapped", swap_blocks),
    ("number changed", change_number),
    ("number changed", change_number),  # twice, as plans: this is where readers go wrong
    ("byte changed", change_byte),
    ("plan changed", change_plan),
    ("plan changed", change_plan),
)
MANIFEST_MUTATIONS = (
    ("bits flipped", flip_bits),
    ("truncated", truncate),
    ("zeroed", zero_block),
    ("value set", set_value),
    ("number nudged", nudge),
    ("removed", remove),
    ("swapped", swap_values),
    ("repeated", repeat_entry),
    ("rewritten", rewrite),
)
