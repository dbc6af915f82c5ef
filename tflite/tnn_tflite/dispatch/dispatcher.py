"""The dial on the device: one call, a utilization, and the level that serves it."""

import logging
import numbers
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tnn_tflite.bundle.description import Bundle
from tnn_tflite.bundle.exit_level import ExitLevel
from tnn_tflite.bundle.manifest import read_bundle
from tnn_tflite.bundle.programs import Level
from tnn_tflite.dispatch.answers import ALL, Answers, in_form
from tnn_tflite.dispatch.anytime import PERCENTILE, exit_after_exit, last_exit_in_time
from tnn_tflite.dispatch.conditions import conditions_of
from tnn_tflite.dispatch.controller import Controller
from tnn_tflite.dispatch.inputs import InputReader, zeros
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.dispatch.known_levels import KnownLevels
from tnn_tflite.dispatch.memory_cap import MemoryCap
from tnn_tflite.dispatch.networks import network_of
from tnn_tflite.dispatch.patterns import check_patterns_kept
from tnn_tflite.dispatch.per_sample import SEVERAL, samples_by_level
from tnn_tflite.dispatch.result import Result
from tnn_tflite.dispatch.session_pool import SessionPool
from tnn_tflite.dispatch.trial import try_bundle
from tnn_tflite.dispatch.way import way
from tnn_tflite.latency.table import Conditions
from tnn_tflite.policies.fixed import Fixed
from tnn_tflite.policies.from_function import Chooser, as_policy
from tnn_tflite.policies.latency_budget import LatencyBudget
from tnn_tflite.policies.policy import Choice, KnownLevel, Policy
from tnn_tflite.policies.whole_levels import OfWholeLevels
from tnn_tflite.positive import check_positive
from tnn_tflite.utilization import check_utilization, level_index

logger = logging.getLogger("tnn_tflite")


class _Followed(NamedTuple):
    """A call that a policy led: its answers, the first choice and when, and all reasons."""

    answers: Answers
    choice: Choice
    reasons: list[str]
    chosen: float


class Dispatcher:
    """Runs a bundle at the utilization that each call asks for.

    A level is loaded when it is first needed; `warm_up()` loads all of them. Once a level is
    loaded, switching to it costs nothing. Several threads may call one dispatcher: each runs
    on an interpreter of its own, and no lock is held while a network runs.

    If the bundle is replaced on the disk, open it again: a level of the new one does not pass
    the checks of the old manifest. After `warm_up()` the files are not needed any more.

    Args:
        directory: The bundle that `tnn_tflite.convert` wrote.
        num_threads: Threads that one interpreter may use.
        delegate: File name of a TFLite delegate library, for example `"libedgetpu.so.1"`.
            None runs on the CPU.
        runtime: `"ai_edge_litert"`, `"tflite_runtime"` or `"tensorflow"`. None takes the first
            of them that is installed.
        trial: Whether every level first runs once in a child process, which costs about half a
            second when a bundle is first opened. A file that would crash the interpreter then
            gives a `BundleError`. False is for bundles whose writer you trust.
        policy: Chooses the level of calls that name neither a utilization nor a budget: a
            `tnn_tflite.policies.Policy`, or a function of the levels and the inputs. None leaves
            them to the controller in the bundle, and where there is none runs them at u = 1.
        table: File of a device's table of latencies. None takes the one that `calibrate` stored
            beside the bundle, if one holds for this bundle, runtime and device.
        memory_limit: Bytes that loaded levels and a controller may take, about. The least recently
            used one is evicted, never one that runs. None keeps all that was loaded.
        patterns: Of a bundle with a budget policy, how many cut patterns are kept at most. 0 cuts
            none: every sample runs behind `IF`s.

    Raises:
        BundleError: If the bundle is missing, damaged, too new or unsafe.
        ImportError: If no TFLite interpreter is installed.
        ValueError: If another argument is not valid.

    Example:

    ```python
    dispatcher = tnn_tflite.Dispatcher("bundle")
    logits = dispatcher(image, utilization=0.5)  # image: (32, 32, 3) or (batch, 32, 32, 3)
    logits = dispatcher(image, budget_ms=4.0)
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        num_threads: int = 1,
        delegate: str | None = None,
        runtime: str | None = None,
        trial: bool = True,
        policy: Policy | Chooser | None = None,
        table: str | os.PathLike | None = None,
        memory_limit: int | None = None,
        patterns: int = 32,
    ) -> None:
        check_patterns_kept(patterns)
        self._bundle = read_bundle(directory)
        if trial:  # before the delegate is loaded here: some devices serve one process only
            try_bundle(self._bundle, find_runtime(runtime, num_threads=num_threads), delegate)
        self._runtime = find_runtime(runtime, num_threads=num_threads, delegate=delegate)
        self._read_inputs = InputReader(self._bundle.inputs, self._bundle.preprocessing)
        self._input_names = [spec.name for spec in self._bundle.inputs]
        self._utilizations = [level.utilization for level in self.levels]
        cap = None if memory_limit is None else MemoryCap(self._checked_limit(memory_limit))
        self._network = network_of(self._bundle, self._runtime, cap, patterns)
        program = self._bundle.controller
        self._controller = program and Controller(
            program, SessionPool(self._bundle, program, self._runtime, cap)
        )
        policy = policy if policy is not None else self._controller
        self._has_policy = policy is not None
        self._policy = as_policy(Fixed(1.0) if policy is None else policy)
        if len(self._bundle.chains) > 1 and not self._policy.sees_exits:
            self._policy = OfWholeLevels(self._policy)
        self._is_watched = type(self._policy).observe is not Policy.observe
        conditions = partial(conditions_of, self._bundle, self._runtime)
        self._known_levels = KnownLevels(self._bundle, conditions, table)
        self._last_index: int | None = None  # of the policy, for the log

    def __call__(
        self,
        x: Any,
        utilization: float | Sequence[float] | np.ndarray | None = None,
        *,
        budget_ms: float | None = None,
        exit: str | None = None,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Runs the highest level that is not above `utilization`, or that fits into a budget.

        Below the lowest level the lowest level runs: there is nothing smaller. A call that names
        neither is left to the policy or the bundle's controller, and without one runs at u = 1.

        A bundle with a budget policy runs at the very utilization: it is the budget for which the
        policy opens components, for each sample others.

        Args:
            x: One sample, or a batch of any size. A network with several inputs takes a
                dictionary by name or a list in order. Arrays have exactly the dtype of the
                bundle's inputs, and floats are finite; pixels, uint8, are scaled where the
                bundle says how (`Bundle.preprocessing`). Where that is an integer that stands for
                a real number, each level has an `input_quantization` of its own.
            utilization: How much of the network may run, in (0, 1]. An array of shape `(batch,)`
                gives each sample its own: samples of one level run together.
            budget_ms: What the call may take in milliseconds, a batch as a whole. The device's
                table says what a level takes; without one the levels are measured now, once. A
                network with exits stops at the last one that fits, by the clock, and a budget
                that the first does not fit into is an error. With `utilization` it stops on that
                level; else, of several levels, `LatencyBudget` chooses level and exit.
            exit: Of a network with exits, the name of the one that answers: of the level of
                `utilization`, by default the highest.

        Returns:
            The output, with a batch axis if `x` has one. A network with several outputs gives
            a dictionary by name. The arrays belong to the caller.

        Raises:
            ValueError: If an argument is not valid, or both `utilization` and `budget_ms` are
                given for a network without exits.
        """
        follows = utilization is None and self._has_policy and exit is None
        if budget_ms is not None or follows and self._is_watched:
            return self.run(x, utilization, budget_ms=budget_ms, exit=exit).outputs
        if follows:  # nobody asks for a `Result`
            levels = self._levels_for(self._policy)
            inputs, batched = self._read_inputs(x)
            answers = self._follow(self._policy, levels, inputs).answers
            return in_form(self._bundle, answers.outputs, batched)
        if isinstance(utilization, SEVERAL) and exit is None:
            inputs, batched = self._read_inputs(x)
            size = len(inputs[0]) if batched else None
            groups = list(samples_by_level(self._utilizations, utilization, size))
            answers = self._network.answers(inputs, utilization)
            answers.run(groups)
            return in_form(self._bundle, answers.outputs, batched)
        utilization = check_utilization(1.0 if utilization is None else utilization)
        inputs, batched = self._read_inputs(x)
        if exit is not None:
            answers = self._network.answers(inputs, utilization)
            answers.run([(self._network.index(utilization, exit), ALL)])
            return in_form(self._bundle, answers.outputs, batched)
        return in_form(self._bundle, self._network.answer(inputs, utilization), batched)

    def run(
        self,
        x: Any,
        utilization: float | None = None,
        *,
        budget_ms: float | None = None,
        exit: str | None = None,
    ) -> Result:
        """Runs as a call does, and tells which level ran, how long it took and why.

        Args:
            x: One sample or a batch, as in a call.
            utilization: How much of the network may run, in (0, 1].
            budget_ms: What the call may take in milliseconds.
            exit: The name of the exit that answers.

        Returns:
            The outputs with the level, the time and the reason.

        Raises:
            ValueError: As a call does.
        """
        if exit is None and budget_ms is not None and self._bundle.segments:
            return self._in_time(x, utilization, budget_ms)
        policy = self._policy_for(utilization, budget_ms, exit)
        levels = self._levels_for(policy)  # may measure: not a part of the call
        start = time.perf_counter()
        inputs, batched = self._read_inputs(x)
        samples = len(inputs[0])
        if budget_ms is not None and samples > 1:
            policy = LatencyBudget(budget_ms / samples)
        answers, choice, reasons, chosen = self._follow(policy, levels, inputs)
        end = time.perf_counter()  # what a policy learns is not in the time
        result = Result(
            in_form(self._bundle, answers.outputs, batched),
            self.levels[answers.highest],
            1000 * (end - start),
            "; ".join(reasons),
            samples,
            choice.is_warm and answers.is_warm,
            answers.expected_milliseconds(levels),
            tuple(self.levels[index] for index in dict(answers.runs)),
            tuple(self._utilizations[index] for index in answers.by.tolist()),
            answers.macs + samples * choice.macs,
            samples * choice.macs,
            1000 * (chosen - start),
            answers.patterns,
        )
        if policy is self._policy:
            policy.observe(result)
        return result

    def anytime(
        self, x: Any, deadline_ms: float | None = None, *, utilization: float | None = None
    ) -> Iterator[Result]:
        """Runs a network with exits from one to the next, and gives each answer as it comes.

        Stop when you like: what was not asked for does not run. A batch goes on as a whole; a
        policy such as `policies.Escalate` lets each sample stop where its answer is sure.

        Args:
            x: One sample or a batch, as in a call.
            deadline_ms: Milliseconds from now. A segment starts only if the time that nine of ten
                took, by the device's table, is left, by the clock; so there may be no result at
                all. Without a table they are measured first, once. None for no deadline.
            utilization: How much of the network may run, in (0, 1]. Of several levels it picks
                one; None takes the highest, with a deadline the one that `LatencyBudget` chooses.

        Returns:
            An iterator over a `Result` for each exit, the first one first. `Result.exit` names it;
            its time and its `macs` are those since the call began.

        Raises:
            ValueError: If the bundle has no exits, or an argument is not valid.

        Example:

        ```python
        for result in dispatcher.anytime(image, deadline_ms=4.0):
            print(result.exit, result.outputs.argmax())
        ```
        """
        if not self._bundle.segments:
            raise ValueError(
                "Invalid bundle for `anytime`. Expected a network with exits, which "
                "`convert(model, ..., exits=True)` writes. Received: levels "
                f"{self._utilizations}; choose one by `utilization` or `budget_ms`"
            )
        if deadline_ms is not None:
            deadline_ms = check_positive("deadline_ms", deadline_ms)
        levels = self._known_levels(deadline_ms is not None, self._warm_calls)
        start = time.perf_counter()
        inputs, batched = self._read_inputs(x)
        chain, passed = way(self._network, levels, utilization, deadline_ms, len(inputs[0]))
        answers = chain.answers(inputs)
        return exit_after_exit(chain.bundle, answers, passed, batched, start, deadline_ms)

    def level_for(
        self, utilization: float | None = None, *, budget_ms: float | None = None
    ) -> Level | ExitLevel:
        """Returns the level that a call with one sample and these arguments would run.

        Args:
            utilization: How much of the network may run, in (0, 1].
            budget_ms: What the call may take in milliseconds.

        Raises:
            ValueError: If not exactly one of them is given, or it is not valid.
        """
        if budget_ms is None:
            return self.levels[self._index(utilization)]
        policy = self._policy_for(utilization, budget_ms)
        choice = policy.choose(self._levels_for(policy), {})  # a budget is for any input
        return self.levels[self._network.index(choice.utilization, choice.exit)]

    def warm_up(self) -> None:
        """Loads all that may run and runs each once, so that no later call waits for a file."""
        self._network.warm_up()
        if self._policy is self._controller:
            self._controller.warm_up()

    @property
    def levels(self) -> tuple[Level, ...] | tuple[ExitLevel, ...]:
        """The levels, from the lowest utilization to the highest; of a network with exits these.

        The utilization of an exit is its share of the multiply-accumulates of the network. Of a
        network with exits at several levels they are all exits of the lowest level, then of the
        next; the utilization of each is that of its level. Of a bundle with a budget policy they
        are the budgets that `convert` was given, with the mean MACs over its data. Policies choose
        among them, or any other budget.
        """
        return self._bundle.points

    def __repr__(self) -> str:
        names = [f"{u:.4g}" for u in self._utilizations]
        parts = [f"levels=({', '.join(names)})"]
        if self._bundle.segments:
            parts = [f"exits=({', '.join(repr(level.name) for level in self.levels)})"]
        if self._controller is not None:
            parts.append("controller")
        parts += [f"runtime={self.runtime!r}", f"num_threads={self._runtime.num_threads}"]
        parts += [f"delegate={self._runtime.delegate!r}"] if self._runtime.delegate else []
        return f"Dispatcher({str(self._bundle.directory)!r}, {', '.join(parts)})"

    @property
    def known_levels(self) -> tuple[KnownLevel, ...]:
        """The levels with what the device's table, which `calibrate` stored, says of them."""
        return self._known_levels(False, self._warm_calls)

    @property
    def controller(self) -> Controller | None:
        """The bundle's own controller, the policy of calls that name nothing; None without one."""
        return self._controller

    @property
    def labels(self) -> tuple[str, ...] | dict[str, tuple[str, ...]] | None:
        """The names of the classes as `convert` was given them, in the form of the outputs.

        With one output a tuple, or None where the bundle has no names. With several a dictionary
        by name of those outputs that have some.
        """
        if len(self._bundle.outputs) > 1:
            return dict(self._bundle.labels)
        return self._bundle.labels.get(self._bundle.outputs[0].name)

    @property
    def runtime(self) -> str:
        """The name of the package whose interpreter runs."""
        return self._runtime.name

    @property
    def bundle(self) -> Bundle:
        """The bundle's description: inputs, outputs and levels."""
        return self._bundle

    @property
    def conditions(self) -> Conditions:
        """What a table of latencies that is measured now holds for."""
        return conditions_of(self._bundle, self._runtime)

    def _index(self, utilization: float) -> int:
        return level_index(self._utilizations, check_utilization(utilization))

    def _in_time(self, x: Any, utilization: float | None, budget_ms: float) -> Result:
        """Runs a network with exits to the last one that fits into a budget, by the clock."""
        budget_ms = check_positive("budget_ms", budget_ms)
        levels = self._known_levels(True, self._warm_calls)
        start = time.perf_counter()
        inputs, batched = self._read_inputs(x)
        chain, passed = way(self._network, levels, utilization, budget_ms, len(inputs[0]))
        answers = chain.answers(inputs)
        return last_exit_in_time(chain.bundle, answers, passed, batched, start, budget_ms)

    def _policy_for(
        self, utilization: float | None, budget_ms: float | None, exit: str | None = None
    ) -> Policy:
        if budget_ms is None and exit is not None:
            return Fixed(1.0 if utilization is None else utilization, exit=exit)
        if budget_ms is None:
            return self._policy if utilization is None else Fixed(utilization)
        if utilization is not None or exit is not None:
            named = "`exit`" if utilization is None else "`utilization`"
            raise ValueError(
                f"Invalid value for `budget_ms`. Expected either {named} or `budget_ms`. "
                f"Received: utilization={utilization!r}, budget_ms={budget_ms!r}, exit={exit!r}. "
                "Leave one out."
            )
        percentile = PERCENTILE if self._bundle.segments else 50
        return LatencyBudget(check_positive("budget_ms", budget_ms), percentile=percentile)

    def _levels_for(self, policy: Policy) -> tuple[KnownLevel, ...]:
        return self._known_levels(policy.needs_times, self._warm_calls)

    def _follow(
        self, policy: Policy, levels: tuple[KnownLevel, ...], inputs: list[np.ndarray]
    ) -> _Followed:
        choice = policy.choose(levels, dict(zip(self._input_names, inputs, strict=True)))
        chosen = time.perf_counter()
        answers = self._network.answers(inputs, choice.utilization, choice.answers)
        reasons = answers.follow(policy, levels, choice)
        if policy is self._policy:
            self._log_switch(choice)
        return _Followed(answers, choice, reasons, chosen)

    def _warm_calls(self) -> list[Callable[[], object]]:
        """Returns a call on zeros for each level, each warm."""
        self.warm_up()
        sample = zeros(self._bundle.inputs)
        return [partial(self, sample, **level.arguments) for level in self.levels]

    def _checked_limit(self, memory_limit: int) -> int:
        # A file's content and the weights as the interpreter packs them are the least.
        least = 2 * max(program.bytes for program in self._bundle.programs)
        if not isinstance(memory_limit, numbers.Integral) or memory_limit < least:
            raise ValueError(
                f"Invalid value for `memory_limit`. Expected at least {least} bytes, which the "
                f"largest level needs. Received: memory_limit={memory_limit!r}"
            )
        return int(memory_limit)

    def _log_switch(self, choice: Choice) -> None:
        if isinstance(choice.utilization, SEVERAL):
            return  # who chooses by the sample would switch all the time
        index = self._network.index(choice.utilization, choice.exit)
        if index != self._last_index:
            self._last_index = index
            logger.info("runs u=%g: %s", self._utilizations[index], choice.reason)
