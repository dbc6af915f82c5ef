"""The flags that say how a bundle is opened, shared by all subcommands that open one."""

from absl import flags

from tnn_tflite.dispatch.dispatcher import Dispatcher
from tnn_tflite.dispatch.interpreter import MOST_THREADS, RUNTIMES


def define_interpreter_flags(values: flags.FlagValues) -> None:
    """Defines `--num_threads`, `--delegate` and `--runtime`."""
    flags.DEFINE_integer(
        "num_threads",
        1,
        "threads of the interpreter",
        lower_bound=1,
        upper_bound=MOST_THREADS,
        flag_values=values,
    )
    flags.DEFINE_string(
        "delegate", None, "file name of a TFLite delegate library", flag_values=values
    )
    flags.DEFINE_enum(
        "runtime",
        None,
        RUNTIMES,
        "the first installed one if not given",
        flag_values=values,
    )


def open_dispatcher(directory: str, values: flags.FlagValues) -> Dispatcher:
    """Opens a bundle as the flags say."""
    return Dispatcher(
        directory,
        num_threads=values.num_threads,
        delegate=values.delegate,
        runtime=values.runtime,
    )
