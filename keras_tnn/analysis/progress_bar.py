"""The progress bar of evaluations, which is quiet where nobody watches."""

import sys

import keras


def progress_bar(total: int | None, unit: str, verbose: bool | None) -> keras.utils.Progbar:
    """A bar of Keras.

    Args:
        total: how many steps there are; None if that is not known.
        unit: what one step is.
        verbose: whether to show it. None on a terminal or in a notebook only: to a file, Keras
            would write every state of the bar.
    """
    if verbose is None:
        verbose = sys.stdout.isatty() or "ipykernel" in sys.modules
    return keras.utils.Progbar(total, unit_name=unit, verbose=int(verbose))
