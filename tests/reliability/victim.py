"""A program that opens whatever bundles it is told to: it must live through all of them.

    python victim.py < requests

Each line is JSON: a `directory` and whether to `trial`. The answer is one line of JSON: the
`error` and its `message`, or the `outputs` of each level, and of a controller, for an image of
zeros and one of noise, by the program's SHA-256, as hash of their bytes. Of a network with exits
the outputs of each exit.
"""

import hashlib
import json
import os
import sys

import numpy as np

from tnn_tflite import Dispatcher


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # an interpreter may print
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=answers, flush=True)


def answer(directory, trial):
    try:
        return {"outputs": run_all_programs(Dispatcher(directory, trial=trial))}
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


def run_all_programs(dispatcher):
    batch = [two_samples(spec) for spec in dispatcher.bundle.inputs]
    names = [spec.name for spec in dispatcher.bundle.inputs]
    outputs = {}
    if dispatcher.bundle.segments:
        return run_all_exits(dispatcher, dict(zip(names, batch, strict=True)))
    for level in dispatcher.levels:
        result = dispatcher(dict(zip(names, batch, strict=True)), level.utilization)
        outputs[level.sha256] = digest(result if isinstance(result, dict) else {"": result})
    if dispatcher.controller is not None:
        result, _ = dispatcher.controller.run(batch)
        outputs[dispatcher.bundle.controller.sha256] = digest(result)
    return outputs


def run_all_exits(dispatcher, batch):
    """An exit's answer is that of all segments up to it, and of the edges between them."""
    bundle, outputs = dispatcher.bundle, {}
    for chain in bundle.chains:
        key = hashlib.sha256(repr(chain.edges).encode())
        results = dispatcher.anytime(batch, utilization=chain.points[-1].utilization)
        for segment, result in zip(chain.segments, results, strict=True):
            key.update(segment.sha256.encode())
            outputs[key.hexdigest()] = digest({"": result.outputs})
    return outputs


def two_samples(spec):
    draw = np.random.default_rng(0)
    shape, dtype = (2, *spec.shape), np.dtype(spec.dtype)
    if dtype.kind == "f":
        noise = draw.normal(size=shape)
    elif dtype.kind == "b":
        noise = draw.integers(0, 2, shape)
    else:
        limits = np.iinfo(dtype)
        noise = draw.integers(limits.min, limits.max, shape, endpoint=True)
    return (noise * np.reshape([0, 1], (2,) + (1,) * len(spec.shape))).astype(dtype)


def digest(outputs):
    text = hashlib.sha256()
    for name in sorted(outputs):
        text.update(outputs[name].tobytes())
    return text.hexdigest()


if __name__ == "__main__":
    main()
