"""Residual networks: the paper's ResNet-50, -101 and -152, and small ones trained in minutes.

One construction and a table of variants (He et al. 2016, arXiv 1512.03385), into which the weights
of other libraries fit (see revisit.models.formats):

* the stride of a bottleneck lies in its 3x3 convolution (version "v1.5": torchvision, timm,
  keras-hub), or in the first 1x1 (version "v1": the paper, keras.applications);
* no convolution has a bias, batch norm follows each of them;
* padding is symmetric and explicit (TensorFlow's "same" pads below and to the right at stride 2).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np
import tf_keras as keras

from revisit.errors import UserError


class Variant(NamedTuple):
    """The residual part of a network: kind of block, and number of blocks in each stage."""

    block: str
    blocks: tuple[int, ...]


# Keyed by depth as it is usually counted: convolutions on the longest path, plus the classifier.
RESNETS = {
    8: Variant("basic", (1, 1, 1)),
    10: Variant("basic", (1, 1, 1, 1)),
    14: Variant("bottleneck", (1, 1, 1, 1)),
    18: Variant("basic", (2, 2, 2, 2)),
    26: Variant("bottleneck", (2, 2, 2, 2)),
    34: Variant("basic", (3, 4, 6, 3)),
    50: Variant("bottleneck", (3, 4, 6, 3)),
    101: Variant("bottleneck", (3, 4, 23, 3)),
    152: Variant("bottleneck", (3, 8, 36, 3)),
}


class Stem(NamedTuple):
    """The first convolution, and whether a 3x3 max pooling of stride 2 follows its ReLU."""

    kernel_size: int
    stride: int
    padding: int
    max_pooling: bool

    @property
    def total_stride(self) -> int:
        """Pixels of the image for one of the output, a side."""
        return self.stride * (2 if self.max_pooling else 1)


STEMS = {
    # The paper's, for pictures of 100 pixels and more.
    "conv7": Stem(kernel_size=7, stride=2, padding=3, max_pooling=True),
    # For 32 pixels: nothing is lost before the first block, and c5 has a stride of 8.
    "conv3": Stem(kernel_size=3, stride=1, padding=1, max_pooling=False),
    # For 64 pixels on a small machine: nearly as fast as patches, and learns more in the time.
    "conv3_pool": Stem(kernel_size=3, stride=2, padding=1, max_pooling=True),
    # The fewest operations: patches of 4x4 pixels that do not overlap.
    "patch4": Stem(kernel_size=4, stride=4, padding=0, max_pooling=False),
}
OUTPUT_STRIDES = (8, 16, 32)


class Pixels(NamedTuple):
    """What the first convolution takes: (pixels in [0, 1] - mean) / deviation; red, green, blue."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


# Padding by zeros comes after it, so no change of the first convolution's weights does the same.
PIXELS = {
    # [-1, 1], as images are.
    "symmetric": Pixels(mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5)),
    # torchvision's, timm's and keras-hub's.
    "imagenet": Pixels(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    # Caffe's, of keras.applications: values from 0 to 255 less their mean.
    "caffe": Pixels(
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
        deviation=(1 / 255, 1 / 255, 1 / 255),
    ),
}
# What convolutions compute in; weights and moving statistics are float32 in all.
COMPUTE_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


class Options(NamedTuple):
    """What a network is made from; `config.model` has the same fields.

    Attributes:
      depth: key of RESNETS.
      width: channels of the stem and of the first stage's 3x3 convolutions; each stage doubles it.
      stem: key of STEMS.
      version: key of BLOCKS, where a bottleneck has its stride. The weights have the same shapes.
      pixels: key of PIXELS, what images become before the first convolution.
      output_stride: the most, in pixels, that neighbours in c5 may lie apart. A stage that would
        pass it keeps the resolution and dilates its kernels instead (atrous convolution), with the
        same weights.
      batch_norm_momentum: share of the moving statistics that a step keeps (torch: 1 minus this).
      batch_norm_epsilon: added to the variance.
      batch_norm_sync: batch statistics are those of all replicas together (one large batch) instead
        of each replica's own.
      zero_init_last_gamma: start each residual block as the identity (Goyal et al. 2017, arXiv
        1706.02677).
      kernel_initializer: name in tf_keras.initializers.
      dtype: key of COMPUTE_POLICIES. Outputs are float32 whatever it is.
    """

    depth: int = 101
    width: int = 64
    stem: str = "conv7"
    version: str = "v1.5"
    pixels: str = "symmetric"
    output_stride: int = 32
    batch_norm_momentum: float = 0.9
    batch_norm_epsilon: float = 1e-5
    batch_norm_sync: bool = False
    zero_init_last_gamma: bool = False
    kernel_initializer: str = "he_normal"
    dtype: str = "float32"


def ResNet(depth: int, **options: Any) -> keras.Model:
    """A backbone from keyword arguments, as `ResNet(50, output_stride=8)`; see make_resnet."""
    return make_resnet(Options(depth, **options))


def make_resnet(options: Options | ml_collections.ConfigDict) -> keras.Model:
    """Builds a backbone: image in, pyramid of features out.

    Args:
      options: Options, or a `config.model` with the same fields (others are ignored).

    Returns:
      A functional model named "backbone", from "image" [B, H, W, 3] float32 in [-1, 1] to a dict
      of float32: "c2" [B, H/s, W/s, C] to "c5" [B, H/8s, W/8s, 8C]. s is the stem's total stride (1
      for "conv3", 4 for the others); sizes are rounded up (down by "patch4"'s patches); C
      is width for basic blocks, 4 x width for bottlenecks. A stage that output_stride holds back
      has the size of the one before it. Neither output_stride nor dtype changes the layers or their
      order, so checkpoints fit across them.

    Raises:
      UserError: an option has a value that is not allowed.
    """
    options = _checked(options)
    variant, stem, layers = RESNETS[options.depth], STEMS[options.stem], _Layers(options)
    block = BLOCKS[options.version][variant.block]
    image = keras.Input((None, None, 3), name="image")
    x = _stem(layers, _normalize(image, options.pixels), stem)  # [B, H/s, W/s, width]
    pyramid = {}
    for stage in _stages(variant.blocks, stem.total_stride, options.output_stride):
        x = _stage(layers, x, stage, block)
        level = f"c{stage.number}"
        pyramid[level] = keras.layers.Activation("linear", dtype="float32", name=level)(x)
    return keras.Model(image, pyramid, name="backbone")


def _checked(options: Options | ml_collections.ConfigDict) -> Options:
    # A run from before a field was there has its default.
    given = {name: getattr(options, name) for name in Options._fields if hasattr(options, name)}
    checked = Options(**given)
    requirements = (
        ("depth", checked.depth in RESNETS, _one_of(RESNETS)),
        ("width", checked.width >= 1, "give at least 1 channel"),
        ("stem", checked.stem in STEMS, _one_of(STEMS)),
        ("version", checked.version in BLOCKS, _one_of(BLOCKS)),
        ("pixels", checked.pixels in PIXELS, _one_of(PIXELS)),
        ("output_stride", checked.output_stride in OUTPUT_STRIDES, _one_of(OUTPUT_STRIDES)),
        ("batch_norm_momentum", 0 <= checked.batch_norm_momentum < 1, "give 0 <= momentum < 1"),
        ("batch_norm_epsilon", checked.batch_norm_epsilon > 0, "give a number above 0"),
        (
            "kernel_initializer",
            _is_initializer(checked.kernel_initializer),
            "give the name of an initializer of tf_keras, such as he_normal",
        ),
        ("dtype", checked.dtype in COMPUTE_POLICIES, _one_of(COMPUTE_POLICIES)),
    )
    for field, holds, remedy in requirements:
        if not holds:
            raise UserError(f"config.model.{field} is {getattr(checked, field)!r}: {remedy}")
    return checked


def _one_of(allowed: Iterable[object]) -> str:
    return f"choose one of {', '.join(map(str, allowed))}"


def _is_initializer(name: str) -> bool:
    try:
        return keras.initializers.get(name) is not None
    except ValueError:
        return False


class _Stage(NamedTuple):
    """Blocks of one resolution; the first leads there from that of the stage before."""

    number: int  # as in "c2": the stage's usual stride is 2 ** number
    num_blocks: int
    stride: int
    dilation_before: int
    dilation: int

    @property
    def usual_stride(self) -> int:
        return self.stride * self.dilation // self.dilation_before


def _stages(blocks: Sequence[int], stem_stride: int, output_stride: int) -> list[_Stage]:
    """Plans the stages: a stride that would make the total pass output_stride becomes dilation."""
    stages, total_stride, dilation = [], stem_stride, 1
    for index, num_blocks in enumerate(blocks):
        wanted = 1 if index == 0 else 2
        stride = wanted if total_stride * wanted <= output_stride else 1
        dilation_before, dilation = dilation, dilation * wanted // stride
        total_stride *= stride
        stages.append(_Stage(index + 2, num_blocks, stride, dilation_before, dilation))
    return stages


class _Layers:
    """Makes the layers of one network: what the options say of every layer is said here."""

    def __init__(self, options: Options) -> None:
        self.width = options.width
        self._options = options
        self._policy = keras.mixed_precision.Policy(COMPUTE_POLICIES[options.dtype])

    def convolution(
        self, x: Any, filters: int, kernel_size: int, name: str, **geometry: Any
    ) -> Any:
        """Convolution without bias. At stride 1 Keras' "same" is symmetric, and fast."""
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            use_bias=False,
            kernel_initializer=self._options.kernel_initializer,
            dtype=self._policy,
            name=name,
            **{"padding": "same"} | geometry,
        )(x)

    def entering_convolution(self, x: Any, filters: int, name: str, stage: _Stage) -> Any:
        """3x3, into the stage: [B, H, W, C] -> [B, H/stride, W/stride, filters], rounded up."""
        padding = "same"
        if stage.usual_stride > 1:
            x, padding = self.padding(x, stage.dilation_before, f"{name}/padding"), "valid"
        geometry = {"strides": stage.stride, "dilation_rate": stage.dilation_before}
        return self.convolution(x, filters, 3, name, padding=padding, **geometry)

    def padding(self, x: Any, size: int, name: str) -> Any:
        return keras.layers.ZeroPadding2D(size, dtype=self._policy, name=name)(x)

    def batch_norm(self, x: Any, name: str, last_of_block: bool = False) -> Any:
        zero_gamma = last_of_block and self._options.zero_init_last_gamma
        return keras.layers.BatchNormalization(
            momentum=self._options.batch_norm_momentum,
            epsilon=self._options.batch_norm_epsilon,
            gamma_initializer="zeros" if zero_gamma else "ones",
            synchronized=self._options.batch_norm_sync,
            dtype=self._policy,
            name=name,
        )(x)

    def relu(self, x: Any, name: str) -> Any:
        return keras.layers.ReLU(dtype=self._policy, name=name)(x)

    def add(self, x: Any, y: Any, name: str) -> Any:
        return keras.layers.Add(dtype=self._policy, name=name)([x, y])

    def max_pooling(self, x: Any, name: str) -> Any:
        """3x3, stride 2. After a ReLU, padding by zeros is as good as by minus infinity."""
        x = self.padding(x, 1, f"{name}/padding")
        return keras.layers.MaxPool2D(3, 2, dtype=self._policy, name=name)(x)


def _normalize(image: Any, pixels: str) -> Any:
    """[-1, 1] -> what the first convolution takes."""
    if pixels == "symmetric":
        return image
    mean, deviation = map(np.array, PIXELS[pixels])
    scale, offset = 0.5 / deviation, (0.5 - mean) / deviation
    return keras.layers.Rescaling(
        scale.tolist(), offset.tolist(), dtype="float32", name="stem/pixels"
    )(image)


def _stem(layers: _Layers, x: Any, stem: Stem) -> Any:
    if stem.padding:
        x = layers.padding(x, stem.padding, "stem/conv/padding")
    geometry = {"strides": stem.stride, "padding": "valid"}
    x = layers.convolution(x, layers.width, stem.kernel_size, "stem/conv", **geometry)
    x = layers.relu(layers.batch_norm(x, "stem/norm"), "stem/relu")
    return layers.max_pooling(x, "stem/max_pooling") if stem.max_pooling else x


def _stage(layers: _Layers, x: Any, stage: _Stage, block: "Block") -> Any:
    filters = layers.width * 2 ** (stage.number - 2)
    later = stage._replace(stride=1, dilation_before=stage.dilation)
    for index in range(stage.num_blocks):
        name = f"stage{stage.number}/block{index + 1}"
        x = _residual_block(layers, x, name, filters, stage if index == 0 else later, block)
    return x


def _residual_block(
    layers: _Layers, x: Any, name: str, filters: int, stage: _Stage, block: "Block"
) -> Any:
    filters_out = filters * block.expansion
    shortcut = x
    # So it is in the first block of every stage, save the first stage of basic blocks.
    if x.shape[-1] != filters_out:
        shortcut_name = f"{name}/shortcut_conv"
        shortcut = layers.convolution(x, filters_out, 1, shortcut_name, strides=stage.stride)
        shortcut = layers.batch_norm(shortcut, f"{name}/shortcut_norm")
    x = block.residual(layers, x, name, filters, stage)
    return layers.relu(layers.add(x, shortcut, f"{name}/add"), f"{name}/relu")


def _basic_residual(layers: _Layers, x: Any, name: str, filters: int, stage: _Stage) -> Any:
    # What follows the stride reads a grid that is coarser by it: there the dilation begins.
    x = layers.entering_convolution(x, filters, f"{name}/conv1", stage)
    x = layers.relu(layers.batch_norm(x, f"{name}/norm1"), f"{name}/relu1")
    x = layers.convolution(x, filters, 3, f"{name}/conv2", dilation_rate=stage.dilation)
    return layers.batch_norm(x, f"{name}/norm2", last_of_block=True)


def _bottleneck_residual(layers: _Layers, x: Any, name: str, filters: int, stage: _Stage) -> Any:
    x = layers.convolution(x, filters, 1, f"{name}/conv1")
    x = layers.relu(layers.batch_norm(x, f"{name}/norm1"), f"{name}/relu1")
    x = layers.entering_convolution(x, filters, f"{name}/conv2", stage)
    return _bottleneck_end(layers, x, name, filters)


def _bottleneck_v1_residual(layers: _Layers, x: Any, name: str, filters: int, stage: _Stage) -> Any:
    x = layers.convolution(x, filters, 1, f"{name}/conv1", strides=stage.stride)
    x = layers.relu(layers.batch_norm(x, f"{name}/norm1"), f"{name}/relu1")
    x = layers.convolution(x, filters, 3, f"{name}/conv2", dilation_rate=stage.dilation)
    return _bottleneck_end(layers, x, name, filters)


def _bottleneck_end(layers: _Layers, x: Any, name: str, filters: int) -> Any:
    x = layers.relu(layers.batch_norm(x, f"{name}/norm2"), f"{name}/relu2")
    x = layers.convolution(x, filters * 4, 1, f"{name}/conv3")
    return layers.batch_norm(x, f"{name}/norm3", last_of_block=True)


class Block(NamedTuple):
    """A kind of residual block: output channels per filter, and its branch up to the addition."""

    expansion: int
    residual: Callable[[_Layers, Any, str, int, _Stage], Any]


BLOCKS = {
    "v1.5": {"basic": Block(1, _basic_residual), "bottleneck": Block(4, _bottleneck_residual)},
    "v1": {"basic": Block(1, _basic_residual), "bottleneck": Block(4, _bottleneck_v1_residual)},
}
