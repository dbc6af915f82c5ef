"""The little of FlatBuffers that cutting takes: tables and vectors, read and written.

A table is known by its place in the bytes. Its fields are numbered as the schema lists them; one
that is left out has its default. References lead forward.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


class Table:
    """A table, read from bytes that nobody vouches for.

    Args:
        content: The bytes.
        at: Where the table stands.

    Raises:
        struct.error, ValueError: here and in all methods, where a place is outside of the bytes.
    """

    def __init__(self, content: bytes, at: int) -> None:
        self.content = content
        self.at = at
        self.vtable = at - struct.unpack_from("<i", content, at)[0]
        if not 0 <= self.vtable < len(content):
            raise ValueError(f"a table at {at} that does not say what it holds")
        self._size = struct.unpack_from("<H", content, self.vtable)[0]

    @classmethod
    def root(cls, content: bytes) -> "Table":
        """The table that the bytes begin with."""
        return cls(content, struct.unpack_from("<I", content, 0)[0])

    def number(self, field: int, form: str = "i", default: int = 0) -> int:
        """A number, by its form in `struct`."""
        place = self._place(field)
        return struct.unpack_from(f"<{form}", self.content, place)[0] if place else default

    def reference(self, field: int) -> int | None:
        """Where what a field refers to stands, or None."""
        place = self._place(field)
        return place and target_of(self.content, place)

    def numbers(self, field: int, form: str = "i") -> list[int]:
        """A vector of numbers, by their form in `struct`."""
        at = self.reference(field)
        if at is None:
            return []
        (count,) = struct.unpack_from("<I", self.content, at)
        if at + 4 + struct.calcsize(form) * count > len(self.content):
            raise ValueError(f"a vector at {at} that is too long")
        return list(struct.unpack_from(f"<{count}{form}", self.content, at + 4))

    def tables(self, field: int) -> list["Table"]:
        """A vector of tables."""
        at = self.reference(field)
        count = len(self.numbers(field))
        return [Table(self.content, target_of(self.content, at + 4 + 4 * i)) for i in range(count)]

    def span(self, field: int) -> tuple[int, int] | None:
        """Begin and end of a vector of bytes, or None."""
        at = self.reference(field)
        if at is None:
            return None
        (count,) = struct.unpack_from("<I", self.content, at)
        if at + 4 + count > len(self.content):
            raise ValueError(f"a vector at {at} that is too long")
        return at + 4, at + 4 + count

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return None
        (offset,) = struct.unpack_from("<H", self.content, self.vtable + entry)
        return self.at + offset if offset else None


def target_of(content: bytes, place: int) -> int:
    """Where the reference at a place leads."""
    target = place + struct.unpack_from("<I", content, place)[0]
    if target + 4 > len(content):
        raise ValueError(f"a reference at {place} that leads out of the file")
    return target


@dataclass
class Later:
    """Something that is written behind the head, once that is known to be complete."""

    at: int | None = None


# What a field holds: an integer of 32 bits, a number by its form, what stands elsewhere, or what a
# function writes behind all else, which returns its place.
Field = int | tuple[str, int] | Later | Callable[[], int]


class Writer:
    """Bytes that grow at their end: what refers stands before what it refers to."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._links: list[tuple[int, Later]] = []

    def table(self, fields: Mapping[int, Field]) -> int:
        """Writes a table by the numbers of its fields; returns its place."""
        self.align(4)
        vtable, count = len(self.content), max(fields, default=-1) + 1
        # Each field takes four bytes, also one that needs one.
        offsets = {field: 4 * (i + 1) for i, field in enumerate(fields)}
        self.content += struct.pack("<HH", 4 + 2 * count, 4 + 4 * len(fields))
        self.content += struct.pack(f"<{count}H", *(offsets.get(i, 0) for i in range(count)))
        self.align(4)
        at = len(self.content)
        self.content += struct.pack("<i", at - vtable) + bytes(4 * len(fields))
        for field, value in fields.items():
            self.fill(at + offsets[field], value)
        return at

    def numbers(self, values: Sequence[int]) -> int:
        """Writes a vector of 32-bit integers."""
        self.align(4)
        self.content += struct.pack(f"<I{len(values)}i", len(values), *values)
        return len(self.content) - 4 - 4 * len(values)

    def vector(self, values: Sequence[Field]) -> int:
        """Writes a vector of references."""
        at = self.numbers([0] * len(values))
        for i, value in enumerate(values):
            self.fill(at + 4 + 4 * i, value)
        return at

    def text(self, value: bytes) -> int:
        """Writes a string."""
        self.align(4)
        self.content += struct.pack("<I", len(value)) + value + b"\0"
        return len(self.content) - 5 - len(value)

    def align(self, size: int, ahead: int = 0) -> None:
        """Fills up, so that what begins `ahead` bytes from here stands at a multiple of `size`."""
        self.content += bytes(-(len(self.content) + ahead) % size)

    def fill(self, place: int, value: Field) -> None:
        """Writes what a field holds into its place."""
        if isinstance(value, Later):
            self._links.append((place, value))
        elif callable(value):
            struct.pack_into("<I", self.content, place, value() - place)
        else:
            form, number = value if isinstance(value, tuple) else ("i", value)
            struct.pack_into(f"<{form}", self.content, place, number)

    def finish(self) -> bytes:
        """Returns the bytes, each `Later` found."""
        for place, target in self._links:
            struct.pack_into("<I", self.content, place, target.at - place)
        return bytes(self.content)
