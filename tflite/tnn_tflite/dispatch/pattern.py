"""What a budget policy opened."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """What a budget policy opened for one sample.

    Args:
        gates: For each component whether it was open.
        macs: Multiply-accumulate operations of what ran for the sample, the policy included.
        cached: Whether the network ran that was cut for this pattern and kept; else it ran behind
            `IF`s, or was cut for this call.
    """

    gates: tuple[bool, ...]
    macs: int
    cached: bool

    @property
    def open(self) -> int:
        """How many components were open."""
        return sum(self.gates)

    def __str__(self) -> str:
        return f"{self.open} of {len(self.gates)} components"
