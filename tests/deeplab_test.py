"""revisit.models.deeplab: the head's layers, and where its grid lies."""

import numpy as np
import scipy.ndimage
import tensorflow as tf

from revisit.models import deeplab
from revisit.models.resnet import ResNet


def test_the_head_is_four_branches_whose_scores_are_summed() -> None:
    backbone = ResNet(14, width=8, output_stride=8)
    head = deeplab.make_head(backbone, num_classes=5)
    kernels = {variable.name: variable.shape for variable in head.variables}
    assert kernels == {
        f"rate{rate}/{name}:0": shape
        for rate in (6, 12, 18, 24)
        for name, shape in (("kernel", (3, 3, 256, 5)), ("bias", (5,)))
    }
    # One feature in the middle: each branch alone writes to its own eight neighbours, all to it.
    for branch in deeplab.ATROUS_RATES:
        head.get_layer(f"rate{branch}").set_weights([np.ones((3, 3, 256, 5)), np.zeros(5)])
    features = np.zeros((1, 61, 61, 256), np.float32)
    features[0, 30, 30, 0] = 1
    logits = head({"c5": features})["logits"].numpy()[0, :, :, 0]
    assert logits[30, 30] == 4
    reached = [30 + rate * step for rate in (6, 12, 18, 24) for step in (-1, 0, 1)]
    squares = np.reshape(reached, (4, 3))
    expected = {(y, x) for square in squares for y in square for x in square}
    assert set(zip(*np.nonzero(logits))) == expected
    assert logits.sum() == 4 * 9


def test_the_grid_lies_on_every_eighth_pixel() -> None:
    """A mark that moves by 8 pixels moves the features by one cell."""
    backbone = ResNet(10, width=8, output_stride=8)
    images = np.zeros((2, 129, 129, 3), np.float32)
    images[0, 60:65, 60:65] = images[1, 68:73, 60:65] = 1
    features = backbone(images)["c5"].numpy()
    assert features.shape == (2, 17, 17, 64)
    np.testing.assert_allclose(features[0, 4:12, 4:12], features[1, 5:13, 4:12], atol=1e-4)


def test_interpolation_is_linear_and_stops_at_the_border() -> None:
    grid = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    rows, columns = np.array([-1.0, 0.0, 1.25, 4.0, 6.0]), np.array([0.5, 5.9, 6.0, 8.0])
    read = deeplab.interpolate(
        tf.constant(grid), tf.constant(rows, tf.float32), tf.constant(columns, tf.float32)
    )
    places = np.meshgrid(rows, columns, indexing="ij")
    for channel in range(2):
        expected = scipy.ndimage.map_coordinates(
            grid[..., channel], places, order=1, mode="nearest"
        )
        np.testing.assert_allclose(read[..., channel], expected, rtol=1e-5, atol=1e-6)


def test_resizing_keeps_corners_in_corners() -> None:
    grid = np.random.default_rng(0).normal(size=(2, 9, 9, 3)).astype(np.float32)
    resized = deeplab.resize(tf.constant(grid), 65)
    expected = tf.compat.v1.image.resize_bilinear(grid, [65, 65], align_corners=True)
    np.testing.assert_allclose(resized, expected, atol=1e-5)
    np.testing.assert_allclose(resized[:, ::8, ::8], grid, atol=1e-6)
    np.testing.assert_allclose(deeplab.resize(resized, 9), grid, atol=1e-5)
