"""The error of a bundle that cannot be used."""

from __future__ import annotations

from pathlib import Path

MAKE_AGAIN = "Copy the whole folder again, or convert the model again."


class BundleError(ValueError):
    """A bundle that cannot be used: missing, half-written, too new, changed or unsafe."""

    @classmethod
    def at(
        cls, directory: Path | str, *, expected: str, received: str, advice: str = MAKE_AGAIN
    ) -> BundleError:
        """Builds the error with its three parts.

        Args:
            directory: The bundle's folder.
            expected: What a good bundle has there.
            received: What this one has.
            advice: What the reader can do about it.

        Returns:
            The error, to be raised by the caller.

        Example:

        >>> BundleError.at("net", expected="a folder", received="a file", advice="Move it.")
        BundleError("Invalid bundle 'net'. Expected a folder. Received: a file. Move it.")
        """
        return cls(
            f"Invalid bundle '{directory}'. Expected {expected}. Received: {received}. {advice}"
        )
