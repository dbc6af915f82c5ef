"""A bundle runs in a process of its own first, so that a file that kills its reader kills that.

Hashes tell a damaged file from a good one, not a good one from an evil one: who can change a file
can change its hash. And a TFLite interpreter trusts its file: one changed number in it can mean
a segmentation fault, a division by zero, an endless loop or all the memory. So a child process
with the same runtime and options loads each program and runs it once, on zeros, with limits on
time and memory. What kills the child becomes a `BundleError` here.

A passed trial says that these bytes load and run. Operators that choose by value (a gather, both
sides of an `IF`, the turns of a `WHILE`) can still do on other inputs what they did not do on
zeros: a trial finds broken bundles, it does not make a stranger's bundle trustworthy.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.folder import DISTRUST
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import GATED, Program
from tnn_tflite.children.process import StartError, command, death, standard_output
from tnn_tflite.dispatch.interpreter import Runtime, find_runtime
from tnn_tflite.dispatch.patterns import PatternCache
from tnn_tflite.dispatch.session_pool import SessionPool
from tnn_tflite.errors import BundleError

try:
    import resource
except ImportError:  # Windows
    resource = None

SECONDS = 60.0  # for all programs together; half a second is usual
SHARE_OF_MEMORY = 0.5  # of this machine's memory, for the child
_KINDS = (BundleError, ImportError, ValueError)  # what the child passes on to the parent

_passed: set[str] = set()


def try_bundle(
    bundle: Bundle, runtime: Runtime, delegate: str | None = None, seconds: float = SECONDS
) -> None:
    """Loads every program of a bundle in a child process and runs it once.

    A bundle that has passed passes again at once, in this process and with these options,
    wherever it lies.

    Args:
        bundle: The bundle.
        runtime: The runtime to try. Its own delegate is not used: some devices can be opened by
            one process only, so try first and load the delegate here afterwards.
        delegate: File name of the delegate library that the child loads, or None.
        seconds: How long the trial may take.

    Raises:
        BundleError: If a program cannot be run, or kills the process that tries.
        ImportError: If the child cannot load the interpreter.
        ValueError: If the delegate cannot be loaded.
    """
    options = {"name": runtime.name, "num_threads": runtime.num_threads, "delegate": delegate}
    key = f"{fingerprint(bundle)} {options}"
    if key not in _passed:
        _judge(bundle, *_run_child(request_for(bundle, options, seconds), seconds))
        _passed.add(key)


def fingerprint(bundle: Bundle) -> str:
    """Returns a hash of all that a bundle says, its hashes included, but not where it lies."""
    return hashlib.sha256(repr(replace(bundle, directory=Path())).encode()).hexdigest()


def request_for(bundle: Bundle, options: dict[str, Any], seconds: float) -> str:
    """Returns one line of JSON that asks the child to try a bundle."""
    request = {
        "directory": str(bundle.directory),
        "fingerprint": fingerprint(bundle),
        "options": options,
        "seconds": seconds,
    }
    return json.dumps(request) + "\n"


def _run_child(request: str, seconds: float) -> tuple[str, str]:
    """Returns what the child reported, and how it died ("" if it did not)."""
    try:
        child = subprocess.run(
            command(__name__),
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a file could make an interpreter write without end
            text=True,
            timeout=seconds,
        )
    except StartError as error:
        raise ValueError(
            f"Invalid value for `trial`. {error}. Expected trial=False, for bundles whose writer "
            "you trust. Received: trial=True"
        ) from error
    except subprocess.TimeoutExpired as expired:
        return (expired.stdout or b"").decode(errors="replace"), f"took more than {seconds:g} s"
    return child.stdout, death(child.returncode)


def _judge(bundle: Bundle, output: str, death: str) -> None:
    reports = [json.loads(line) for line in output.splitlines(keepends=True) if line[-1] == "\n"]
    last = reports[-1] if reports else {}
    if "passed" in last:
        return
    if "error" in last:
        raise _KINDS[last["error"]](last["message"])
    tried = bundle.programs[last["program"]] if last else None
    raise BundleError.at(
        bundle.directory,
        expected=f"{tried.title} in '{tried.file}' to run" if tried else "programs to try",
        received=f"a process that {death or 'ended'} "
        + (f"when it tried this {tried.role}" if tried else "before it tried anything"),
        advice=DISTRUST,
    )


def main() -> None:
    """Is the child: serves requests from standard input until there are no more."""
    report = _reporter()
    _limit_memory()
    for line in sys.stdin:
        try_programs(json.loads(line), report)


def try_programs(request: dict[str, Any], report: Callable[..., None]) -> None:
    """Tries one bundle and reports each program before it is tried, and how it ended.

    Args:
        request: The `directory`, the expected `fingerprint`, the `options` of `find_runtime` and
            the `seconds` that it may take.
        report: Gets `program=`, an index; then `passed=` or `error=` and `message=`.
    """
    _limit_time(request["seconds"] * request["options"]["num_threads"])
    try:
        bundle = read_bundle(request["directory"])
        _check_fingerprint(bundle, request["fingerprint"])
        runtime = find_runtime(**request["options"])
        for index, program in enumerate(bundle.programs):
            report(program=index)
            _run_once(bundle, program, runtime)
    except _KINDS as error:
        kind = next(i for i, kind in enumerate(_KINDS) if isinstance(error, kind))
        report(error=kind, message=str(error))
    else:
        report(passed=request["fingerprint"])


def _run_once(bundle: Bundle, program: Program, runtime: Runtime) -> None:
    try:
        if program.role == GATED:  # with one pattern half of its branches would not be tried
            PatternCache(bundle, runtime).try_out()
        else:
            SessionPool(bundle, program, runtime).warm_up()
    except BundleError:
        raise
    except Exception as error:  # an interpreter that reads an odd file raises anything
        raise BundleError.at(
            bundle.directory,
            expected=f"{program.title} in '{program.file}' to run",
            received=f"{type(error).__name__} ({error})",
            advice=DISTRUST,
        ) from error


def _check_fingerprint(bundle: Bundle, expected: str) -> None:
    if fingerprint(bundle) != expected:
        raise BundleError.at(
            bundle.directory,
            expected="the manifest that was read a moment ago",
            received="another one; the bundle was replaced meanwhile",
            advice="Open it again.",
        )


def _reporter() -> Callable[..., None]:
    stream = standard_output()

    def report(**fields: Any) -> None:
        print(json.dumps(fields), file=stream, flush=True)

    return report


def _limit_memory() -> None:
    with suppress(OSError):  # Linux: if memory gets short all the same, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")
    if resource is not None:
        _lower(resource.RLIMIT_CORE, 0)
        with suppress(ValueError):  # a system that does not tell how much it has
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            _lower(resource.RLIMIT_DATA, int(memory * SHARE_OF_MEMORY))


def _limit_time(seconds: float) -> None:
    # The parent waits no longer than that; this is for a child whose parent is gone.
    if resource is not None:
        _lower(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 1)


def _lower(limit: int, value: int) -> None:
    soft, hard = resource.getrlimit(limit)
    with suppress(ValueError):  # the machine's owner has set a lower one
        resource.setrlimit(limit, (value, hard))
