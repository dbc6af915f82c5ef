"""Our data-dependent gate beside the one of ConvNet-AIG, on the same weights and inputs.

    git clone https://github.com/andreasveit/convnet-aig
    pip install torch
    python benchmarks/convnet_aig.py convnet-aig

The peer's residual blocks run as they are, in PyTorch, with weights and statistics of some size;
a hook reads the two logits of each block's gate. Their weights go into one `DataDependent` gate,
which sees the same features: one group for one block, and four groups for four blocks. Printed is
the largest difference of the open probabilities, at inference and with batch statistics as in
training, and the standard deviation of the peer's. Goal: 1e-5. Keras runs on PyTorch here, unless
KERAS_BACKEND says otherwise.
"""

import importlib.util
import os
import sys
from pathlib import Path

if importlib.util.find_spec("torch") is None:
    raise SystemExit("This comparison needs PyTorch: pip install torch")
os.environ.setdefault("KERAS_BACKEND", "torch")  # read when Keras is first imported

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_tnn.gates import DataDependent, record_decisions  # noqa: E402

BATCH = 32
CASES = (  # block, channels in, filters, side of the image
    ("BasicBlock", 16, 16, 32),  # ResNet-110 on CIFAR-10
    ("BasicBlock", 64, 64, 8),
    ("Bottleneck", 256, 64, 56),  # ResNet-50 on ImageNet
    ("Bottleneck", 2048, 512, 7),
)


def main(arguments: list[str]):
    torch, peer = modules(arguments)
    torch.manual_seed(0)
    print(
        f"{'block':<12}{'channels':>9}{'groups':>8}{'inference':>12}{'training':>12}{'sd of p':>9}"
    )
    for name, channels, filters, side in CASES:
        for groups in (1, 4):
            make = getattr(peer, name)
            blocks = [trained(torch, make(channels, filters), side) for _ in range(groups)]
            x = torch.randn(BATCH, channels, side, side)
            inference, training = (compare(torch, blocks, x, mode) for mode in (False, True))
            print(
                f"{name:<12}{channels:>9}{groups:>8}"
                f"{inference[0]:>12.1e}{training[0]:>12.1e}{inference[1]:>9.2f}"
            )


def modules(arguments: list[str]) -> tuple:
    """PyTorch, and the peer's module from the checkout that the user made."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "convnet_aig.py").is_file():
        raise SystemExit(
            "Expected the path of a checkout of https://github.com/andreasveit/convnet-aig, the "
            f"folder with convnet_aig.py. Received: {' '.join(arguments) or 'nothing'}"
        )
    sys.path.insert(0, arguments[0])
    return importlib.import_module("torch"), importlib.import_module("convnet_aig")


def trained(torch, block, side: int):
    """The peer's block with weights and statistics by which each sample decides differently."""
    # Its BatchNorm1d is called with four axes, which PyTorch now refuses; this one computes the
    # same and takes them.
    block.fc1bn = torch.nn.BatchNorm2d(16)
    spread = 1 / side  # the standard deviation of an average over the image
    with torch.no_grad():
        block.fc1.weight.normal_(std=block.fc1.in_channels**-0.5)
        block.fc2.weight.normal_(std=0.5)
        block.fc1bn.weight.uniform_(0.5, 1.5)
        block.fc1bn.bias.normal_()
        block.fc1bn.running_mean.normal_(std=spread).add_(block.fc1.bias)
        block.fc1bn.running_var.uniform_(0.5, 1.5).mul_(spread**2)
    return block


def compare(torch, blocks, x, training: bool) -> tuple[float, float]:
    """The largest difference of the probabilities, and the standard deviation of the peer's."""
    theirs = np.stack([peer_probabilities(torch, block, x, training) for block in blocks], axis=1)
    features = x.numpy().transpose(0, 2, 3, 1)  # channels last
    gate = with_weights_of(blocks, features)
    with record_decisions() as decisions:
        gate(1.0, features=features, training=training)
    ours = keras.ops.convert_to_numpy(decisions[0].probabilities)
    return float(abs(ours - theirs).max()), float(theirs.std())


def peer_probabilities(torch, block, x, training: bool) -> np.ndarray:
    """Probabilities that the block's branch runs, `(batch,)`."""
    logits = []
    hook = block.fc2.register_forward_hook(lambda layer, inputs, output: logits.append(output))
    kept = {name: value.clone() for name, value in block.fc1bn.state_dict().items()}
    with torch.no_grad():
        block.train(training)(x)
    hook.remove()
    block.fc1bn.load_state_dict(kept)  # training has moved them
    return torch.softmax(logits[0][:, :, 0, 0], dim=1)[:, 1].numpy()


def with_weights_of(blocks, features: np.ndarray) -> DataDependent:
    """One gate with a group for each block's gate."""

    def stacked(read, join):
        return join([read(block).detach().numpy() for block in blocks])

    gate = DataDependent(num_groups=len(blocks))
    gate(1.0, features=features)
    gate.hidden.set_weights(
        [
            stacked(lambda block: block.fc1.weight[:, :, 0, 0].T, np.hstack),
            stacked(lambda block: block.fc1.bias, np.hstack),
        ]
    )
    names = ("weight", "bias", "running_mean", "running_var")
    gate.normalization.set_weights(
        [stacked(lambda block, name=name: getattr(block.fc1bn, name), np.hstack) for name in names]
    )
    gate.pairs.set_weights(
        [
            stacked(lambda block: block.fc2.weight[:, :, 0, 0].T, np.stack),
            stacked(lambda block: block.fc2.bias, np.stack),
        ]
    )
    return gate


if __name__ == "__main__":
    main(sys.argv[1:])
