"""Writes the headers of the C++ dispatcher as one file.

python cpp/single_header.py tnn_dispatcher.h
"""

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
OWN = re.compile(r'^#include "(tnn/\w+\.h)"\n', re.MULTILINE)
SYSTEM = re.compile(r"^#include <(.+)>\n", re.MULTILINE)
TOP = """\
// Runs bundles of keras-tnn (docs/bundle.md) from C++17: one header, zlib and a TFLite runtime.
// Made of cpp/tnn/ by cpp/single_header.py: change it there.
"""


def in_order(name: str, seen: dict[str, str]) -> dict[str, str]:
    """The text of a header behind those that it includes, each once, by name."""
    if name not in seen:
        text = (FOLDER / name).read_text(encoding="utf-8")
        for other in OWN.findall(text):
            in_order(other, seen)
        seen[name] = OWN.sub("", text)
    return seen


def single_header() -> str:
    """Returns the text of the one header."""
    texts = in_order("tnn/litert.h", {}).values()
    systems = sorted({name for text in texts for name in SYSTEM.findall(text)})
    includes = "".join(f"#include <{name}>\n" for name in systems)
    bodies = (SYSTEM.sub("", text).replace("#pragma once\n", "").strip() for text in texts)
    whole = "\n\n".join((TOP + "#pragma once\n", includes, *bodies)) + "\n"
    return re.sub("\n{3,}", "\n\n", whole)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(single_header(), encoding="utf-8")
