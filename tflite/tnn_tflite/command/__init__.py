"""The `keras-tnn` command: one file in this folder and one line in `SUBCOMMANDS` each.

A subcommand's module has `main(argv)`, which gets what stands after the subcommand's name and
returns the exit status, or None for 0. It is imported when it is called: `run` and `levels`
work on a device that has neither Keras nor TensorFlow.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Sequence

SUBCOMMANDS = {
    "demo": "train, convert and dial a small network on handwritten digits",
    "throttle": "give a saved Keras model a dial",
    "evaluate": "measure the levels of a model or a bundle on labelled samples",
    "convert": "write a saved throttled model as a bundle of TFLite files",
    "compare": "put a bundle beside the model that it was made of, or beside another",
    "levels": "print the levels of a bundle, what each costs, and which u fits",
    "run": "run a bundle on an image at one utilization",
    "plot": "draw a table that `evaluate` saved",
    "calibrate": "measure what each level takes on this device, for budgets",
    "lint": "check a bundle against the rules of coral, micro, web or xnnpack",
    "micro": "write a bundle as C++ sources for microcontrollers",
}

USER_ERROR = 2  # exit status, as of argument parsers on Unix


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand.

    Args:
        argv: The arguments after `keras-tnn`. None takes those of the process.

    Returns:
        The exit status: 0, or 2 if the user has to change something.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "-help", "--help", "help"):
        print(overview())
        return 0 if arguments else USER_ERROR
    name, *rest = arguments
    if name not in SUBCOMMANDS:
        return fail("keras-tnn", f"no subcommand '{name}'. Expected {', '.join(SUBCOMMANDS)}.")
    return _run(name, rest)


def overview() -> str:
    """Returns the text of `keras-tnn --help`."""
    rows = [f"  {name:<9} {summary}" for name, summary in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "One trained Keras network whose compute is a dial, on the device.",
            "",
            "usage: keras-tnn SUBCOMMAND [ARGUMENTS]",
            "",
            *rows,
            "",
            "'keras-tnn SUBCOMMAND --help' explains one of them.",
        ]
    )


def fail(program: str, message: str) -> int:
    """Prints one clear line for the user and returns the exit status of a user error."""
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


def _run(name: str, arguments: list[str]) -> int:
    program = f"keras-tnn {name}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_: fail(program, f"warning: {message}")
            module = importlib.import_module(f"tnn_tflite.command.{name}")
            return module.main(arguments) or 0
    except BrokenPipeError:
        # The reader (`head`, `less`) has seen enough. Python flushes again at exit: to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, ImportError) as error:
        if "KERAS_TNN_TRACEBACK" in os.environ:
            raise
        return fail(program, str(error))
