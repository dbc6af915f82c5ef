"""Channels a gate by the name of the layer that makes them, as herrmann2019 (4.2) sets them.

For `throttle(model, gate=..., granularity=...)`. A gate controls about the same number of FLOPs
everywhere, so early layers have small groups.
"""

# The last block of each of MobileNetV2's stages, channels a gate of what its blocks expand to, and
# of what they add up (columns g_exp and g_out of the paper's table).
MOBILENETV2_STAGES = (
    (2, 24, 8),
    (5, 24, 16),
    (9, 32, 16),
    (12, 48, 32),
    (15, 64, 32),
    (16, 64, 64),
)


def mobilenetv2() -> dict[str, int]:
    """Granularity for `keras_tnn.models.MobileNetV2` and that of `keras.applications`.

    The paper's input gates, a mask of their own on what a block reads, are not made: here the
    channels that blocks add up have one gate, before and after.

    Example:

    >>> sizes = mobilenetv2()
    >>> sizes["block_1_expand"], sizes["block_16_project"]
    (24, 64)
    """
    sizes = {"Conv1": 16, "expanded_conv_project": 8}
    first = 1
    for last, expanded, added in MOBILENETV2_STAGES:
        for block in range(first, last + 1):
            sizes |= {f"block_{block}_expand": expanded, f"block_{block}_project": added}
        first = last + 1
    return sizes


def resnet50() -> dict[str, int]:
    """Granularity for `keras_tnn.models.ResNet50(..., throttled=False)`.

    16, 32, 64 and 128 filters a gate in the expansions of the four stages, half that in the
    contractions. The stem, of which the paper says nothing, counts as a contraction.

    Example:

    >>> sizes = resnet50()
    >>> sizes["stage1_block1_1_conv"], sizes["stage4_block3_3_conv"]
    (8, 128)
    """
    sizes = {"stem_conv": 8}
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            label = f"stage{stage + 1}_block{block + 1}"
            contraction = 8 * 2**stage
            sizes |= {f"{label}_{i}_conv": contraction for i in (1, 2)}
            sizes[f"{label}_3_conv"] = 2 * contraction
    return sizes
