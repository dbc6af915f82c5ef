"""The order in which the blocks of a residual network open."""


def depthwise_order(blocks_per_stage: tuple[int, ...]) -> list[int]:
    """The order in which the blocks of a residual network open (hostetler2019, 5.2).

    The stages are visited again and again from output to input, and each visit opens one more
    block of the stage, the one nearest the input first; a stage that is ahead of the network's
    overall share of open blocks waits.

    Args:
        blocks_per_stage: number of blocks of each stage, from input to output.

    Returns:
        Block numbers, counted from the input, in opening order.

    Example:

    >>> depthwise_order((2, 2, 2))
    [4, 2, 0, 5, 3, 1]
    """
    total = sum(blocks_per_stage)
    first = [sum(blocks_per_stage[:stage]) for stage in range(len(blocks_per_stage))]
    opened = [0] * len(blocks_per_stage)
    order = []
    while len(order) < total:
        for stage in reversed(range(len(blocks_per_stage))):
            size = blocks_per_stage[stage]
            ahead = opened[stage] / size > len(order) / total
            if opened[stage] < size and not ahead:
                order.append(first[stage] + opened[stage])
                opened[stage] += 1
    return order
