"""The microworld is not told apart by its pixels alone."""

import pytest

from benchmarks import separability
from data_prep.sources.source import SourceOptions


@pytest.mark.slow
def test_a_linear_model_on_pixels_is_far_below_a_small_resnet():
    options = SourceOptions(world="transfer", num_images=4000)
    linear = separability.linear_accuracy(options)
    resnet = separability.resnet_accuracy(options, "12 epochs")
    assert linear < 0.15
    assert 3 * linear < resnet < 0.95
