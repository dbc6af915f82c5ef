"""Levels that are converted once for all tests of this folder."""

import pytest

from one_file_networks import contents_of, in_float, throttled_network


@pytest.fixture(scope="session")
def int8_contents():
    return contents_of(throttled_network(), (0.5, 1.0), "int8")


@pytest.fixture(scope="session")
def contents(int8_contents):
    return in_float(int8_contents)


@pytest.fixture(scope="session")
def depth_contents():
    """Blocks are left out: what is left is the same in all levels."""
    return contents_of(throttled_network(axes=("depth",)), (0.25, 1.0))
