"""Bundles that were changed, cut off or made by a stranger are errors in Node, and no crash."""

import hashlib
import json
import re
import shutil
import struct
import zlib

import numpy as np
import pytest

from dispatcher_in_node import GOLDEN, ask, call, encoded

CALL = {"x": encoded(np.zeros(16, "float32")), "utilization": 0.5}
CALL_OF_POLICY = {"x": CALL["x"]}


def level(manifest):
    return next(one for one in manifest["programs"] if one["role"] == "level")


def controller(manifest):
    return manifest["programs"][0]


# How a manifest lies, and what is said of it.
LIES = {
    "hash": (lambda m: level(m).update(sha256="0" * 64), "Expected SHA-256 0000"),
    "folder": (
        lambda m: controller(m).update(file="../x"),
        "Received: '../x', which leaves the folder. Do not use this bundle",
    ),
    "drive": (lambda m: controller(m).update(file="c:x"), "'c:x', which leaves the folder"),
    "shared file": (lambda m: m["shared"].update(file=".."), "'..', which leaves the folder"),
    "size": (lambda m: level(m).update(bytes=10**9), "at most 16 times the shared file's size"),
    "file size": (lambda m: m["shared"].update(bytes=2**31 + 1), "Expected at most 2147483648"),
    "version": (lambda m: m.update(format_version=4), "at most 3 .*upgrade tnn-dispatcher"),
    "format": (lambda m: m.update(format="zip"), 'Expected "tnn_tflite" for `format`'),
    "role": (lambda m: controller(m).update(role="pet"), "a role that is known here"),
    "order": (lambda m: m["programs"].reverse(), "levels that rise in utilization"),
    "shape": (lambda m: level(m)["inputs"][0].update(shape=[0]), "list of positive integers"),
    "no levels": (lambda m: m.update(programs=[]), "a filled list for `programs`"),
    "choice": (
        lambda m: [one.update(shape=[7]) for one in controller(m)["outputs"]],
        "an output 'choice' of the controller",
    ),
    "input": (
        lambda m: [one["inputs"][0].update(shape=[16]) for one in m["programs"]],
        r"Expected inputs of 'u0.5' image float32 \[1,16\]. Received: image float32 \[1,4,4,1\]",
    ),
    "edges": (lambda m: m.update(edges=[{}]), "no such key beside levels"),
    "labels": (lambda m: m.update(labels={"scores": ["cat"]}), "`labels` for each class"),
    "scale": (
        lambda m: level(m)["inputs"][0].update(quantization={"scale": 0, "zero_point": 0}),
        "a finite number above 0 for `programs.1..inputs.0..quantization.scale`",
    ),
}


def with_lie(bundle, lie):
    """Changes the manifest, and takes its own hash away as who edits it by hand does."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["manifest_sha256"]
    lie(manifest)
    path.write_text(json.dumps(manifest))


def parts(content):
    base, plan, count, magic = struct.unpack("<QQI4s", content[-24:])
    return content[:base], zlib.decompress(content[base:-24]), count, magic


def joined(base, plan, count, magic, promised=None):
    footer = struct.pack("<QQI4s", len(base), promised or len(plan), count, magic)
    return base + zlib.compress(plan) + footer


def with_header(content, old, new):
    base, plan, count, magic = parts(content)
    assert plan.count(old) == 1
    (size,) = struct.unpack_from("<I", plan)
    plan = struct.pack("<I", size + len(new) - len(old)) + plan[4:].replace(old, new)
    return joined(base, plan, count, magic)


def with_size(content, place, size):
    base, plan, count, magic = parts(content)
    plan = plan[: 4 * place] + struct.pack("<I", size) + plan[4 * place + 4 :]
    return joined(base, plan, count, magic)


# How a plan is not one, though the manifest has the hash of its file.
PLANS = {
    "truncated": (lambda c: c[:-60] + c[-24:], "a damaged stream"),
    "no plan": (lambda c: c[:1000], "a file without a plan"),
    "no footer": (lambda c: c[:200], "a file without a plan"),
    "noise": (lambda c: c[:-60] + bytes(36) + c[-24:], "a damaged stream"),
    "promise": (lambda c: joined(*parts(c), promised=10**6), "another size than promised"),
    "bomb": (
        lambda c: joined(parts(c)[0], bytes(10**7), *parts(c)[2:], promised=4000),
        "damaged stream .more than promised",
    ),
    "huge": (lambda c: joined(*parts(c), promised=2**40), "a plan of 1099511627776 bytes"),
    "levels": (lambda c: joined(*parts(c)[:2], 0, parts(c)[3]), "a plan of 0 levels"),
    "sizes": (lambda c: with_size(c, 1, 10**6), "sizes that do not add up to the plan"),
    "header": (lambda c: with_header(c, b"[[],[],[],", b"[[],[],[7],"), "Expected a plan"),
    "columns": (lambda c: with_header(c, b"[[],[],[],", b"[[],[],{},"), "no columns"),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """What Node says of each bundle."""
    folder = tmp_path_factory.mktemp("hostile")

    def copy(name):
        return shutil.copytree(GOLDEN / "version_3_controller", folder / name)

    for name, (lie, _) in LIES.items():
        with_lie(copy(name), lie)
    for name, (change, _) in PLANS.items():
        bundle = copy(name)
        file = bundle / "levels.tflite"
        content = change(file.read_bytes())
        file.write_bytes(content)
        claim = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        with_lie(bundle, lambda manifest, claim=claim: manifest["shared"].update(claim))
    manifest = copy("by one letter") / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"macs"', '"macz"', 1))
    file = copy("cut off") / "levels.tflite"
    file.write_bytes(file.read_bytes()[:-1])
    file = copy("by one bit") / "levels.tflite"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    outside = folder / "outside.tflite"
    file = copy("link out") / "levels.tflite"
    shutil.move(file, outside)
    file.symlink_to(outside)
    (copy("no file") / "levels.tflite").unlink()
    (copy("no manifest") / "manifest.json").unlink()
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = ask([{"bundle": str(folder / name), "calls": [CALL]} for name in names])
    said = [one.get("error") or one["answers"][0].get("error") for one in found]
    return dict(zip(names, said, strict=True))


OTHERS = {
    "by one letter": "with the hash that it names",
    "cut off": "bytes in 'levels.tflite'. Received: another size",
    "by one bit": "Expected SHA-256 .* of 'levels.tflite'. Received: .* changed or damaged",
    "link out": "Received: 'levels.tflite', a link out",
    "no file": "a readable file 'levels.tflite'",
    "no manifest": "a readable file 'manifest.json'",
}


def test_no_array_is_made_as_large_as_a_lie(tmp_path):
    """The shapes of the file are compared first."""
    bundle = shutil.copytree(GOLDEN / "version_3_controller", tmp_path / "bundle")
    with_lie(bundle, lambda m: [one["inputs"][0].update(shape=[2**50]) for one in m["programs"]])
    warm, measured = ask(
        [
            {"bundle": str(bundle), "warmUp": True},
            {"bundle": str(bundle), "target": 1, "calls": [CALL_OF_POLICY]},
        ]
    )
    for error in (warm["error"], measured["answers"][0]["error"]):
        assert "BundleError" in error and "Expected inputs of 'u0.5'" in error


# A hole as the seven columns have it, with one thing changed.
GOOD = [[0], ["int8"], [[2, 3]], ["base"], [8], [[[4, 3], [[[1, 2]], None]]], [["int8", [2, 1]]]]
HOLES = [
    (1, "int4", "none of int8"),
    (2, [2, 4], "3 indices up to 3 for 4"),
    (2, [], "no shape"),
    (2, [0, 3], "no shape"),
    (3, "disk", "none of base, level, plan"),
    (3, "plan", "stored numbers that are sliced or multiplied"),
    (4, -1, "no count"),
    (5, [[4, 3], [[[3, 2]], None]], "2 indices up to 5 for 2"),
    (5, [[4, 3], [[], None]], "no list of runs"),
    (5, [[4, 3], [[[1, 0], [1, 2]], None]], "an empty run"),
    (5, [[4, 3, 1], [[[1, 2]], None]], "axes that do not agree"),
    (6, ["float32", [2, 1]], "a factor that does not fit"),
    (6, ["int8", [3, 1]], "a factor that does not fit"),
]


def test_holes_that_are_none():
    columns = [[*GOOD[:place], [wrong], *GOOD[place + 1 :]] for place, wrong, _ in HOLES]
    found = call([["sharing/hole.js", "holesOf", one] for one in [GOOD, *columns]])
    assert [hole["dataBytes"] for hole in found[0]] == [2]
    for answer, (_, _, message) in zip(found[1:], HOLES, strict=True):
        assert message in answer["error"]


SAID = {name: message for name, (_, message) in (LIES | PLANS).items()} | OTHERS


@pytest.mark.parametrize("name", SAID)
def test_it_is_told(name, errors):
    assert errors[name] is not None, "it ran"
    assert errors[name].startswith("BundleError: Invalid bundle")
    assert re.search(SAID[name], errors[name]), errors[name]
