"""Flags and positional arguments of one subcommand, on absl's flags.

Each subcommand has a `FlagValues` of its own, so that `run --help` shows the flags of `run` and
not those of every module that happens to be loaded.
"""

import inspect
from collections.abc import Sequence

from absl import flags


class Arguments:
    """The command line of one subcommand.

    Args:
        usage: The line that says how to call it, for example `"keras-tnn run BUNDLE IMAGE"`.
        text: What it does, printed by `--help`. Indentation is removed.
    """

    def __init__(self, usage: str, text: str | None) -> None:
        self._usage = usage
        self._text = inspect.cleandoc(text or "")
        self._flags = flags.FlagValues()
        self._flags.mark_as_parsed()
        self._positional = [word for word in usage.split()[2:] if word.isalpha()]

    @property
    def flags(self) -> flags.FlagValues:
        """The `flag_values` to define flags in, and after `parse` to read them from."""
        return self._flags

    def parse(self, argv: Sequence[str]) -> list[str] | None:
        """Reads the command line.

        Args:
            argv: What stands after the subcommand's name.

        Returns:
            The positional arguments, or None if the help was asked for and printed.

        Raises:
            ValueError: If a flag is unknown or not valid, or the number of positional
                arguments is not that of the usage line.
        """
        if any(word in ("-h", "-help", "--help") for word in argv):
            print(self.help())
            return None
        try:
            found = self._flags([self._usage, *argv])[1:]
        except flags.Error as error:
            raise ValueError(f"{error}. {self._hint()}") from error
        if len(found) != len(self._positional):
            raise ValueError(
                f"Expected {' '.join(self._positional)}. "
                f"Received: {' '.join(found) or 'nothing'}. {self._hint()}"
            )
        return found

    def help(self) -> str:
        """Returns the text of `--help`."""
        rows = [_flag_help(self._flags[name]) for name in self._flags]
        return "\n".join(["usage: " + self._usage, "", self._text, "", "flags:", *rows])

    def _hint(self) -> str:
        return f"See '{' '.join(self._usage.split()[:2])} --help'."


def _flag_help(flag: flags.Flag) -> str:
    name = f"--{flag.name}" if flag.boolean else f"--{flag.name}=VALUE"
    default = "" if flag.default in (None, False) else f" (default {flag.default_as_str[1:-1]})"
    return f"  {name:<20} {flag.help}{default}"
