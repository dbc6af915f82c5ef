"""The operators that a firmware has to link, as a header for tflite-micro's resolver."""

from collections.abc import Iterable

from tnn_tflite.lint.micro_operators import METHODS
from tnn_tflite.lint.operator_graph import OperatorGraph


def operators_of(graphs: Iterable[OperatorGraph]) -> tuple[str, ...]:
    """Returns the names of all operators of all levels, each once, in alphabetic order."""
    return tuple(sorted({operator.name for graph in graphs for operator in graph.operators}))


def resolver_header(operators: Iterable[str]) -> str:
    """Returns a C++ header that adds these operators to a resolver.

    Args:
        operators: Names as in TFLite's schema, each in `METHODS`.
    """
    methods = [METHODS[name] for name in operators]
    calls = " ||\n      ".join(f"resolver.{method}() != kTfLiteOk" for method in methods)
    return f"""\
#ifndef TNN_OPERATORS_H_
#define TNN_OPERATORS_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

using TnnOpResolver = tflite::MicroMutableOpResolver<{len(methods)}>;

// Adds what the levels need, together.
inline TfLiteStatus tnn_add_operators(TnnOpResolver& resolver) {{
  if ({calls}) {{
    return kTfLiteError;
  }}
  return kTfLiteOk;
}}

#endif  // TNN_OPERATORS_H_
"""
