"""Many damaged bundles, and the law that holds for each.

Nothing that is read here ends the process. A damaged bundle is refused with a `BundleError`, or
answers exactly as the sound one. A bundle whose hashes an attacker made anew may answer something
else, as it is another bundle then; but what kills an interpreter is refused by the trial.
"""

import json
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

from mutations import mutate_bundle
from served import Died, Served
from tnn_tflite import BundleError, read_bundle
from tnn_tflite.children.process import command
from tnn_tflite.dispatch.interpreter import find_runtime
from tnn_tflite.dispatch.trial import request_for

VICTIM = Path(__file__).with_name("victim.py")
CHILD_LIVES_FOR = 400  # bundles; interpreters of broken files may leak


class Campaign:
    """Runs mutants of one bundle.

    The trial's own child program tries one mutant after the other until one kills it, where
    `Dispatcher` would start a child for each. What passes is opened by a process of its own, the
    victim, without a trial: it has to live through all of them.

    Args:
        bundle: The sound bundle.
        folder: An empty folder to work in.
        seconds: How long one mutant may take.
    """

    def __init__(self, bundle: Path, folder: Path, seconds: float = 10.0) -> None:
        self._bundle = bundle
        self._mutant = folder / "mutant"
        self._options = {"name": find_runtime().name, "num_threads": 1, "delegate": None}
        self._trial = Served(command("tnn_tflite.dispatch.trial"), seconds)
        self._victim = Served([sys.executable, str(VICTIM)], 3 * seconds)
        self.truth = self._ask_victim(bundle)["outputs"]
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.violations: list[str] = []

    def run(self, seeds: range, sealed: bool) -> None:
        """Judges one mutant a seed, and adds to `outcomes` and `violations`."""
        for seed in seeds:
            if seed % CHILD_LIVES_FOR == 0:
                self._trial.close()
            shutil.rmtree(self._mutant, ignore_errors=True)
            shutil.copytree(self._bundle, self._mutant)
            kind = mutate_bundle(self._mutant, random.Random(f"{seed} {sealed}"), sealed)
            outcome = self._judge(sealed)
            self.outcomes[kind, outcome] += 1
            if outcome.isupper():
                self.violations.append(f"seed={seed} sealed={sealed} {kind}: {outcome}")

    def close(self) -> None:
        self._trial.close()
        self._victim.close()

    def _judge(self, sealed: bool) -> str:
        """Returns an outcome; one in capitals breaks the law."""
        try:
            bundle = read_bundle(self._mutant)
        except BundleError:
            return "refused by the manifest's reader"
        except Exception as error:
            return f"UNCLEAR {type(error).__name__}".upper()
        try:
            answer = self._trial.ask(request_for(bundle, self._options, 60.0))
        except Died as death:
            return f"refused by the trial, which {death}"
        if "error" in answer:
            return "refused by the trial with an error"
        return self._judge_answer(sealed)

    def _judge_answer(self, sealed: bool) -> str:
        try:
            answer = self._ask_victim(self._mutant)
        except Died as death:
            return f"the victim {death}".upper()
        if "error" in answer:
            is_clear = answer["error"] in ("BundleError", "ValueError")
            return "refused later" if is_clear else f"UNCLEAR {answer['error'].upper()}"
        if answer["outputs"].items() <= self.truth.items():
            return "answers as the sound one"
        return "answers for itself" if sealed else "WRONG ANSWER"

    def _ask_victim(self, directory: Path) -> dict:
        request = {"directory": str(directory), "trial": False}
        return self._victim.ask(json.dumps(request) + "\n")
