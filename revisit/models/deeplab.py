"""DeepLab's head with large fields of view, ASPP-L (Chen et al. 2016, arXiv 1606.00915).

Four 3x3 atrous convolutions look at the backbone's deepest features side by side, each with its own
rate, and their scores are summed. The backbone keeps its resolution by atrous convolution too
(config.model.output_stride): its weights are those of the classifier.

Scores lie on a grid that is coarser than the image. All convolutions are centered, so cell (i, j)
looks at pixel (i s, j s) for an output stride of s, and an image of k s + 1 pixels a side has k + 1
cells, the first and the last on its borders.
"""

import tensorflow as tf
import tf_keras as keras

ATROUS_RATES = (6, 12, 18, 24)
INITIAL_STDDEV = 0.01  # of the kernels, as in the authors' release


def make_head(backbone: keras.Model, num_classes: int) -> keras.Model:
    """From the deepest level of a backbone to "logits" [B, h, w, num_classes] float32, its grid."""
    level = max(backbone.output)
    features = keras.Input(backbone.output[level].shape[1:], name=level)
    branches = [
        keras.layers.Conv2D(
            num_classes,
            3,
            padding="same",
            dilation_rate=rate,
            kernel_initializer=keras.initializers.RandomNormal(stddev=INITIAL_STDDEV),
            dtype="float32",
            name=f"rate{rate}",
        )(features)
        for rate in ATROUS_RATES
    ]
    logits = keras.layers.Add(dtype="float32", name="logits")(branches)
    return keras.Model({level: features}, {"logits": logits}, name="head")


def _weights(places: tf.Tensor, num_cells: int) -> tf.Tensor:
    """[N] places -> [N, num_cells]: how much of each cell is in a place between two of them."""
    nearest = tf.clip_by_value(places, 0.0, num_cells - 1.0)
    return tf.nn.relu(1.0 - tf.abs(nearest[:, tf.newaxis] - tf.range(float(num_cells))))


def interpolate(grid: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Reads a grid between its cells, bilinear; a place beyond the border has the border's value.

    Matrix products, and not tf.image's resizing: they take any places, and their gradients are the
    same bits in every run on every device.

    Args:
      grid: [..., h, w, C] float32.
      rows, columns: [N] and [M] float32, in cells: 0 is the first one.

    Returns:
      [..., N, M, C] float32.
    """
    height, width = grid.shape[-3:-1]
    across = tf.einsum("mw,...hwc->...hmc", _weights(columns, width), grid)
    return tf.einsum("nh,...hmc->...nmc", _weights(rows, height), across)


def resize(grid: tf.Tensor, size: int) -> tf.Tensor:
    """[..., h, w, C] -> [..., size, size, C], the outermost cells staying outermost."""
    rows, columns = (tf.linspace(0.0, cells - 1.0, size) for cells in grid.shape[-3:-1])
    return interpolate(grid, rows, columns)
