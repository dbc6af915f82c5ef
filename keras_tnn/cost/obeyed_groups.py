"""Which groups of a model's gates a layer obeys."""

import numpy as np

from keras_tnn.cost.remainder import Remainder
from keras_tnn.surgery.calls import Call


def obeyed_groups(call: Call, remainder: Remainder) -> np.ndarray | None:
    """The groups that a gated layer obeys, numbered over all calls of gates.

    Returns:
        For each column of its control input the number of a group; None if the input is not made
        of outputs of gates, one beside another.
    """
    pairs = list(zip(remainder.sites, remainder.groups, strict=True))
    for site, groups in pairs:
        if site.place is call.outputs[0]:  # the gate that the layer holds
            return groups
    # Numbers in place of gates come out where the gates do, counted upwards or downwards.
    top, control = remainder.num_groups, call.inputs[1]
    up, down = (
        np.ravel(remainder.values({id(site.place): each(one) for site, one in pairs})[id(control)])
        for each in (lambda n: n.astype("float32"), lambda n: (top - n).astype("float32"))
    )
    known = np.array_equal(up, top - down) and np.isin(up, np.arange(top)).all()
    return up.astype(int) if known else None
