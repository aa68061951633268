"""Backbones have the published sizes, the promised shapes, one set of weights for all strides."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.errors import UserError
from revisit.models.resnet import RESNETS, Options, ResNet, make_resnet


def _images(height, width, seed=0):
    random = np.random.default_rng(seed)
    return tf.constant(random.uniform(-1, 1, (2, height, width, 3)), tf.float32)


def _randomize(backbone, seed=0):
    """Gives every weight, batch-norm statistics included, a value that shows in the output."""
    random = np.random.default_rng(seed)
    for weight in backbone.weights:
        positive = "gamma" in weight.name or "variance" in weight.name
        low, high = (0.5, 1.5) if positive else (-0.1, 0.1)
        weight.assign(random.uniform(low, high, weight.shape))


def _shapes(backbone, height, width):
    pyramid = backbone(keras.Input((height, width, 3)))  # symbolic: nothing is computed
    return {level: tuple(features.shape[1:]) for level, features in pyramid.items()}


@pytest.mark.parametrize(
    ("depth", "num_weights", "num_trainable"),
    [
        (18, 11_186_112, 11_176_512),
        (34, 21_301_696, 21_284_672),
        (50, 23_561_152, 23_508_032),
        (101, 42_605_504, 42_500_160),
        (152, 58_295_232, 58_143_808),
    ],
)
def test_parameter_counts_are_the_published(depth, num_weights, num_trainable):
    backbone = ResNet(depth)
    assert backbone.count_params() == num_weights
    assert sum(int(np.prod(w.shape)) for w in backbone.trainable_weights) == num_trainable


# The deeper ones differ in the number of blocks alone, which their parameter counts show.
@pytest.mark.parametrize("depth", [depth for depth in RESNETS if depth <= 50])
def test_every_variant_gives_a_pyramid_of_strides_4_to_32(depth):
    channels = 8 if RESNETS[depth].block == "basic" else 32
    levels = {
        "c2": (16, 24, channels),
        "c3": (8, 12, 2 * channels),
        "c4": (4, 6, 4 * channels),
        "c5": (2, 3, 8 * channels),
    }
    stages = len(RESNETS[depth].blocks)
    assert _shapes(ResNet(depth, width=8), 64, 96) == dict(list(levels.items())[:stages])


@pytest.mark.parametrize(
    ("stem", "sizes"),
    [
        ("conv7", (17, 9, 5, 3)),
        ("conv3", (65, 33, 17, 9)),
        ("conv3_pool", (17, 9, 5, 3)),
        ("patch4", (16, 8, 4, 2)),
    ],
)
def test_stems_set_the_first_stride(stem, sizes):
    shapes = _shapes(ResNet(10, width=8, stem=stem), 65, 65)
    assert tuple(height for height, _, _ in shapes.values()) == sizes


@pytest.mark.parametrize(
    ("output_stride", "sizes"), [(32, (16, 8, 4, 2)), (16, (16, 8, 4, 4)), (8, (16, 8, 8, 8))]
)
def test_output_stride_holds_the_resolution(output_stride, sizes):
    shapes = _shapes(ResNet(50, width=8, output_stride=output_stride), 64, 64)
    assert tuple(height for height, _, _ in shapes.values()) == sizes


@pytest.mark.parametrize("depth, version", [(18, "v1.5"), (26, "v1.5"), (26, "v1")])
@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_atrous_features_contain_the_strided_ones(depth, version, size):
    strided = ResNet(depth, width=8, version=version)
    _randomize(strided)
    expected = strided(_images(*size), training=False)
    for output_stride, steps in [(16, (1, 1, 1, 2)), (8, (1, 1, 2, 4))]:
        atrous = ResNet(depth, width=8, version=version, output_stride=output_stride)
        atrous.set_weights(strided.get_weights())
        pyramid = atrous(_images(*size), training=False)
        for level, step in zip(("c2", "c3", "c4", "c5"), steps, strict=True):
            scale = float(tf.reduce_max(tf.abs(expected[level])))
            np.testing.assert_allclose(
                pyramid[level][:, ::step, ::step], expected[level], atol=1e-5 * max(scale, 1.0)
            )


@pytest.mark.parametrize("options", [{"output_stride": 8}, {"dtype": "bfloat16"}])
def test_checkpoints_fit_across_output_strides_and_dtypes(tmp_path, options):
    source, target = ResNet(14, width=8), ResNet(14, width=8, **options)
    _randomize(source)
    path = tf.train.Checkpoint(backbone=source).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(backbone=target).read(path).assert_consumed()
    for mine, theirs in zip(source.weights, target.weights, strict=True):
        tf.debugging.assert_equal(mine, theirs)


def test_layer_names_say_where_they_are():
    names = [layer.name for layer in ResNet(14, width=8).layers if layer.weights]
    assert names[:2] == ["stem/conv", "stem/norm"]
    assert sorted(names[2:10]) == [
        "stage2/block1/conv1",
        "stage2/block1/conv2",
        "stage2/block1/conv3",
        "stage2/block1/norm1",
        "stage2/block1/norm2",
        "stage2/block1/norm3",
        "stage2/block1/shortcut_conv",
        "stage2/block1/shortcut_norm",
    ]


def test_bfloat16_computes_near_float32_and_gives_float32():
    exact, rough = ResNet(10, width=8), ResNet(10, width=8, dtype="bfloat16")
    rough.set_weights(exact.get_weights())
    assert {weight.dtype for weight in rough.weights} == {tf.float32}
    expected = exact(_images(64, 64), training=False)["c5"]
    features = rough(_images(64, 64), training=False)["c5"]
    assert features.dtype == tf.float32
    assert float(tf.reduce_max(tf.abs(features - expected))) < 0.05 * float(tf.reduce_max(expected))


def test_training_moves_the_batch_norm_statistics_by_the_momentum():
    backbone = ResNet(10, width=8, batch_norm_momentum=0.75)
    norm = backbone.get_layer("stem/norm")
    images = _images(32, 32)
    stem = keras.Model(backbone.input, backbone.get_layer("stem/conv").output)
    mean = tf.reduce_mean(stem(images), [0, 1, 2])
    backbone(images, training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.25 * mean, atol=1e-6)


def test_inference_moves_nothing():
    backbone = ResNet(10, width=8)
    before = backbone.get_weights()
    backbone(_images(32, 32), training=False)
    for old, new in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_frozen_backbone_infers_even_when_called_for_training():
    backbone = ResNet(10, width=8)
    _randomize(backbone)
    expected = backbone(_images(32, 32), training=False)["c5"]
    before = backbone.get_weights()
    backbone.trainable = False
    np.testing.assert_array_equal(backbone(_images(32, 32), training=True)["c5"], expected)
    assert not backbone.trainable_weights
    for old, new in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("depth", "last"), [(10, "norm2"), (14, "norm3")])
def test_zero_init_of_the_last_gamma(depth, last):
    plain, zero = ResNet(depth, width=8), ResNet(depth, width=8, zero_init_last_gamma=True)
    for backbone, value in [(plain, 1.0), (zero, 0.0)]:
        gammas = {layer.name: layer.gamma for layer in backbone.layers if hasattr(layer, "gamma")}
        for name, gamma in gammas.items():
            expected = value if name.endswith(last) else 1.0
            np.testing.assert_array_equal(gamma, np.full(gamma.shape, expected))


def test_kernels_start_different_from_each_other_and_the_same_for_the_same_seed():
    kernels = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        backbone = ResNet(18, width=8)
        kernels.append(backbone.get_layer("stage2/block1/conv1").kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(backbone.get_layer("stage2/block1/conv2").kernel.numpy() != kernels[1])


def test_a_config_makes_what_options_make():
    config = ConfigDict(
        Options(depth=14, width=8, output_stride=16, batch_norm_epsilon=1e-3)._asdict()
    )
    config.of_no_concern = 1
    del config.pixels  # as in a run from before there was this field
    backbone = make_resnet(config)
    assert backbone.name == "backbone"
    assert _shapes(backbone, 64, 64)["c5"] == (4, 4, 256)
    assert backbone.get_layer("stem/norm").epsilon == 1e-3


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("depth", 77, "depth is 77: choose one of 8, 10, 14, 18, 26, 34, 50, 101, 152"),
        ("width", 0, "width is 0: give at least 1 channel"),
        ("stem", "foo", "stem is 'foo': choose one of conv7, conv3, conv3_pool, patch4"),
        ("version", "v2", "version is 'v2': choose one of v1.5, v1"),
        ("pixels", "torch", "pixels is 'torch': choose one of symmetric, imagenet, caffe"),
        ("output_stride", 5, "output_stride is 5: choose one of 8, 16, 32"),
        ("batch_norm_momentum", 1.5, "batch_norm_momentum is 1.5: give 0 <= momentum < 1"),
        ("batch_norm_epsilon", 0.0, "batch_norm_epsilon is 0.0: give a number above 0"),
        ("kernel_initializer", "he", "kernel_initializer is 'he': give the name of an initializer"),
        ("dtype", "float8", "dtype is 'float8': choose one of float32, bfloat16"),
    ],
)
def test_bad_values_are_quoted_with_what_is_allowed(field, value, message):
    with pytest.raises(UserError, match=f"^config.model.{message}"):
        make_resnet(Options()._replace(**{field: value}))
