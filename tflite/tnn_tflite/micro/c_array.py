"""Bytes as a C array."""

BYTES_A_LINE = 16


def c_array(name: str, content: bytes) -> str:
    """Returns the definition of an array in C++, aligned as tflite-micro needs it.

    Args:
        name: The identifier.
        content: The bytes.

    Example:

    >>> print(c_array("level", bytes(range(3))))
    alignas(16) const unsigned char level[3] = {
        0x00, 0x01, 0x02,
    };
    """
    starts = range(0, len(content), BYTES_A_LINE)
    lines = [_line(content[start : start + BYTES_A_LINE]) for start in starts]
    head = f"alignas(16) const unsigned char {name}[{len(content)}] = {{"
    return "\n".join([head, *lines, "};"])


def _line(content: bytes) -> str:
    return "    " + " ".join(f"0x{byte:02x}," for byte in content)
