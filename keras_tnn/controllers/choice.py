"""A controller's outputs: probabilities of levels, and perhaps the lowest level's answer."""

import keras


def choice_of(outputs):
    """The probabilities of levels among a controller's outputs, `(batch, K)`."""
    return outputs["choice"] if isinstance(outputs, dict) else outputs


def answers(controller: keras.Model) -> bool:
    """Whether the controller holds the lowest level, so that its answer comes with the choice."""
    return isinstance(controller.output, dict)


def check_controller(controller: keras.Model, levels: int):
    """Raises ValueError unless the controller chooses from so many levels."""
    outputs = controller.output
    named = not isinstance(outputs, dict) or {*outputs} == {"choice", "answer"}
    shape = choice_of(outputs).shape if named and not isinstance(outputs, list) else None
    if shape is None or len(shape) != 2 or shape[-1] != levels:
        raise ValueError(
            f"Invalid value for `controller`. Expected an output of shape (batch, {levels}), a "
            "probability for each level, or outputs named 'choice' and 'answer'. "
            f"Received: '{controller.name}' with outputs {outputs}"
        )
