"""Exceptions that a signal's handler raises, between any two steps of a call."""

import dis
import sys

import numpy as np
import pytest

from tnn_tflite import Dispatcher
from tnn_tflite.dispatch import memory_cap, session_pool

FILES = {memory_cap.__file__, session_pool.__file__}
# After these the interpreter looks for signals; never between a lock and its `with`.
LOOKS = ("CALL", "CALL_KW", "CALL_FUNCTION_EX", "RESUME", "JUMP_BACKWARD")
AFTER = {dis.opmap[name] for name in LOOKS if name in dis.opmap}


class Interrupt(BaseException):
    """As KeyboardInterrupt; one that no other code raises."""


def interrupted(call, step: int) -> bool:
    """Runs a call and raises at the `step`-th place where a signal may, in what counts sessions.

    Returns whether it had so many.
    """
    left, last = step, {}  # by id: a frame that is kept keeps its session

    def trace(frame, event, _):
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= last.get(id(frame)) in AFTER
            if left < 0:
                raise Interrupt
            last[id(frame)] = frame.f_code.co_code[frame.f_lasti]
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
        return False
    except Interrupt:
        return True
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("kind", ["warm", "loads"])
def test_sessions_are_counted_right_wherever_a_call_ends(shared_bundle, images, kind):
    largest = max(level.bytes for level in Dispatcher(shared_bundle).levels)
    dispatcher = Dispatcher(shared_bundle, memory_limit=4 * largest, trial=False)
    expected = dispatcher(images[0], 1.0)
    pools = dispatcher._network.pools
    step = 0
    while True:
        if kind == "loads":
            dispatcher(images[0], 0.5)  # evicts the level of u = 1
        if not interrupted(lambda: dispatcher(images[0], 1.0), step):
            break
        assert [pool.loaded.sessions for pool in pools] == [len(p.loaded.idle) for p in pools]
        step += 1
    assert step > (10 if kind == "warm" else 40)
    np.testing.assert_array_equal(dispatcher(images[0], 1.0), expected)
    [session] = pools[-1].loaded.idle
    dispatcher(images[0], 1.0)
    assert [*pools[-1].loaded.idle] == [session]  # it was not loaded anew
