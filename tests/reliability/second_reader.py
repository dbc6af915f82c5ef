"""A dispatcher written from docs/bundle.md alone, as one in Kotlin or C++ would be.

It imports nothing of tnn_tflite.
"""

import bisect
import hashlib
import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np

ROLES = {"level", "controller", "segment", "level_segment"}


class SecondReader:
    def __init__(self, directory, interpreter_class):
        self._directory = Path(directory)
        text = (self._directory / "manifest.json").read_bytes()
        self.manifest = json.loads(text)
        assert self.manifest["format"] == "tnn_tflite"
        assert self.manifest["format_version"] <= 3
        if "manifest_sha256" in self.manifest:
            claimed = self.manifest["manifest_sha256"]
            assert sha256(text.replace(claimed.encode(), b"0" * 64)) == claimed
        found = programs(self.manifest)
        assert {program["role"] for program in found} <= ROLES
        self.levels = [program for program in found if program["role"] == "level"]
        self.controller = next((one for one in found if one["role"] == "controller"), None)
        self.segments = [program for program in found if "segment" in program["role"]]
        self._interpreter_class = interpreter_class

    def choose(self, utilization):
        levels = [level["utilization"] for level in self.levels]
        return max(0, bisect.bisect_right(levels, utilization + 1e-6) - 1)

    def read_level(self, index):
        level = self.levels[index]
        content = (self._directory / level["file"]).read_bytes()
        if self.manifest.get("layout", "files") != "files":
            check(content, self.manifest["shared"])
            content = cut(content, index, level["bytes"])
        check(content, level)
        return content

    def run(self, x, utilization=None):
        """Runs one sample of a network with one input; real numbers in, real numbers out."""
        if utilization is None:
            return self._run_as_the_controller_chooses(x)
        level = self.levels[self.choose(utilization)]
        interpreter = self._interpreter_class(
            model_content=self.read_level(self.choose(utilization))
        )
        return self._run_signature(interpreter.get_signature_runner(), level, x)

    def exits(self, x, utilization=1.0):
        """Runs segment after segment on one sample; yields the name of each exit and its answer."""
        levels = sorted({program.get("utilization", 1.0) for program in self.segments})
        level = levels[max(0, bisect.bisect_right(levels, utilization + 1e-6) - 1)]
        edges = {(edge["to"], edge["input"]): edge for edge in self.manifest["edges"]}
        handed = {}
        for program in self.segments:
            if program.get("utilization", 1.0) != level:
                continue
            content = (self._directory / program["file"]).read_bytes()
            check(content, program)
            feed = {}
            for source in program["inputs"]:
                edge = edges.get((program["name"], source["name"]))
                array = x[np.newaxis] if edge is None else handed[edge["from"], edge["output"]]
                assert list(array.shape[1:]) == source["shape"]
                feed[source["name"]] = array.astype(source["dtype"])
            outputs = self._interpreter_class(model_content=content).get_signature_runner()(**feed)
            handed |= {(program["name"], name): array for name, array in outputs.items()}
            yield program.get("exit", program["name"]), outputs[program["outputs"][0]["name"]][0]

    def _run_as_the_controller_chooses(self, x):
        program = self.controller
        content = (self._directory / program["file"]).read_bytes()
        check(content, program)
        runner = self._interpreter_class(model_content=content).get_signature_runner()
        (source,) = program["inputs"]
        outputs = runner(**{source["name"]: x[np.newaxis].astype(source["dtype"])})
        chosen = int(np.argmax(outputs["choice"][0]))  # of equal ones the first, the lowest level
        if chosen == 0 and "answer" in outputs:
            return outputs["answer"][0]
        return self.run(x, self.levels[chosen]["utilization"])

    def run_signature(self, x, utilization):
        """The same for layout "signatures", by a runtime that cannot cut."""
        level = self.levels[self.choose(utilization)]
        shared = (self._directory / level["file"]).read_bytes()
        check(shared, self.manifest["shared"])
        interpreter = self._interpreter_class(model_content=shared)
        return self._run_signature(interpreter.get_signature_runner(level["name"]), level, x)

    def _run_signature(self, runner, level, x):
        (source,), (target,) = level["inputs"], level["outputs"]
        into, out = source.get("quantization"), target.get("quantization")
        if into is not None:
            limits = np.iinfo(source["dtype"])
            integers = np.rint(x / into["scale"]) + into["zero_point"]
            x = np.clip(integers, limits.min, limits.max)
        x = x.astype(source["dtype"]).reshape(1, *source["shape"])
        y = runner(**{source["name"]: x})[target["name"]][0]
        assert list(y.shape) == target["shape"]
        assert y.dtype == target["dtype"]
        return y if out is None else out["scale"] * (y.astype(float) - out["zero_point"])


def programs(manifest):
    """The programs of any version, as version 3 has them."""
    if manifest["format_version"] == 3:
        return manifest["programs"]
    for level in manifest["levels"]:
        level.update(role="level", name=f"u{json.dumps(level['utilization'])}")
        for kind in ("input", "output"):
            tensors = manifest[f"{kind}s"]
            found = level.get(f"{kind}_quantization", [None] * len(tensors))
            level[f"{kind}s"] = [
                {**tensor, "quantization": one} for tensor, one in zip(tensors, found, strict=True)
            ]
    return manifest["levels"]


def check(content, record):
    assert len(content) == record["bytes"]
    assert sha256(content) == record["sha256"]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def cut(shared, index, size):
    base_size, plan_size, count, magic = struct.unpack("<QQI4s", shared[-24:])
    assert magic == b"TNN1"
    plan = zlib.decompress(shared[base_size:-24])
    assert len(plan) == plan_size
    sizes = np.frombuffer(plan, "<u4", 3 * count).reshape(count, 3).tolist()
    headers, literals, data = (list(column) for column in zip(*sizes, strict=True))
    if headers[index] == 0:
        return shared[:base_size]
    plan = plan[12 * count :]
    columns = json.loads(part(plan, headers, index))
    literal = deinterleave(plan[sum(headers) :], literals, index)
    data = part(plan[sum(headers) + sum(literals) :], data, index)
    holes, at, used = [], 0, 0
    for gap, dtype, shape, source, offset, sliced, factor in zip(*columns, strict=True):
        reads = [dtype, shape] if source == "plan" else factor
        stored = None if reads is None else planes(data, used, *reads)
        used += 0 if stored is None else stored.nbytes
        holes.append([at + gap, dtype, shape, source, offset, sliced, stored])
        at += gap + math.prod(shape) * np.dtype(dtype).itemsize
    level, is_hole = np.zeros(size, np.uint8), np.zeros(size, bool)
    for at, dtype, shape, *_ in holes:
        is_hole[at : at + math.prod(shape) * np.dtype(dtype).itemsize] = True
    level[~is_hole] = np.frombuffer(literal, np.uint8)
    for hole in holes:
        if hole[3] != "level":
            fill(level, hole, np.frombuffer(shared, np.uint8), hole[4])
    for hole in holes:
        if hole[3] == "level":
            fill(level, hole, level, holes[hole[4]][0])
    return level.tobytes()


def fill(level, hole, origin, offset):
    at, dtype, shape, source, _, sliced, stored = hole
    whole, take = sliced or (shape, [None] * len(shape))
    if source == "plan":
        array = stored
    else:
        size = math.prod(whole) * np.dtype(dtype).itemsize
        array = origin[offset : offset + size].copy().view(dtype).reshape(whole)
        for axis, runs in enumerate(take):
            if runs is not None:
                indices = [i for start, count in runs for i in range(start, start + count)]
                array = np.take(array, indices, axis)
        if stored is not None:
            array = array * stored.astype(dtype)
    written = np.frombuffer(np.ascontiguousarray(array, dtype).tobytes(), np.uint8)
    level[at : at + len(written)] = written


def part(content, sizes, index):
    start = sum(sizes[:index])
    return content[start : start + sizes[index]]


def deinterleave(content, sizes, index):
    pieces, at, own = math.ceil(max(sizes) / 4096), 0, b""
    for piece in range(pieces):
        for level, size in enumerate(sizes):
            length = (piece + 1) * size // pieces - piece * size // pieces
            if level == index:
                own += content[at : at + length]
            at += length
    return own


def planes(data, offset, dtype, shape):
    width, count = np.dtype(dtype).itemsize, math.prod(shape)
    stored = np.frombuffer(data, np.uint8, width * count, offset).reshape(width, count)
    return np.ascontiguousarray(stored.T).view(dtype).reshape(shape)
