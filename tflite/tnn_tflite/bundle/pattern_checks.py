"""What a manifest says of a budget policy and its network is compared with itself."""

from tnn_tflite.bundle.description import PATTERNS, Bundle
from tnn_tflite.bundle.programs import BUDGET, GATED, GATES, POLICY, Edge, TensorSpec
from tnn_tflite.errors import BundleError


def check_patterns(bundle: Bundle) -> None:
    """Raises `BundleError` if a bundle has parts of layout "patterns" that do not fit together."""
    roles = sorted(program.role for program in bundle.programs)
    if bundle.layout == PATTERNS or {POLICY, GATED} & {*roles}:
        fits = roles == [POLICY, GATED] and bundle.layout == PATTERNS
        expected = f"layout '{PATTERNS}' with one '{POLICY}', one '{GATED}' and no other program"
        _check(bundle, fits, expected, f"layout '{bundle.layout}' with {roles}")
        _check_tensors(bundle)
    else:
        _check(bundle, not bundle.budgets, "no `budgets` without a policy", bundle.budgets)


def _check_tensors(bundle: Bundle) -> None:
    policy, network = bundle.policy, bundle.network
    gates = TensorSpec(GATES, (len(network.component_macs),), "float32")
    read = (*bundle.inputs, gates)
    _check(bundle, network.inputs == read, f"inputs {read} of '{network.name}'", network.inputs)
    read = (*bundle.inputs, TensorSpec(BUDGET, (), "float32"))
    _check(bundle, policy.inputs == read, f"inputs {read} of '{policy.name}'", policy.inputs)
    _check(bundle, policy.outputs == (gates,), f"one output {gates}", policy.outputs)
    handed = (Edge(policy.name, GATES, network.name, GATES),)
    _check(bundle, bundle.edges == handed, f"the edge {handed[0]}", bundle.edges)


def _check(bundle: Bundle, good: bool, expected: str, received: object) -> None:
    if not good:
        raise BundleError.at(bundle.directory, expected=expected, received=str(received))
