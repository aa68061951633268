"""Trained backbones for other programs: Keras models with evaluation's preprocessing inside."""

import pathlib

import tensorflow as tf
import tf_keras as keras
from ml_collections import ConfigDict

from revisit.data import images
from revisit.errors import UserError
from revisit.models.resnet import make_resnet
from revisit.serving.versions import list_versions
from revisit.training import checkpoint
from revisit.training import workdir as workdirs


@keras.saving.register_keras_serializable("revisit")
class Preprocessing(keras.layers.Layer):
    """[B, H, W, 3] uint8 -> [B, crop, crop, 3] float32 in [-1, 1], as evaluation has it."""

    def __init__(self, size: int, crop: int, **options: object) -> None:
        """Args:
        size: side that images are resized to, pixels.
        crop: side of the central crop, pixels.
        """
        super().__init__(**options)
        self.size = size
        self.crop = crop

    def call(self, decoded: tf.Tensor) -> tf.Tensor:
        """Resizes, crops and scales."""
        return images.to_model_range(images.eval_pixels(decoded, self.size, self.crop))

    def get_config(self) -> dict:
        """What Keras saves of the layer."""
        return {**super().get_config(), "size": self.size, "crop": self.crop}


def load_bare_backbone(path: str) -> tuple[keras.Model, ConfigDict]:
    """The backbone alone, from pixels in [-1, 1] to the pyramid, and its run's config.

    Raises:
      UserError: there is no trained model at `path`.
    """
    described, prefix = _find(path)
    config, _, _ = workdirs.read_run(described)
    backbone = make_resnet(config.model)
    checkpoint.load_variables(prefix, "backbone", checkpoint.named(backbone.variables))
    return backbone, config


def _find(path: str) -> tuple[str, str]:
    """The directory with the model's config and taxonomy, and the prefix of its checkpoint."""
    directory = pathlib.Path(path)
    if (directory / workdirs.CONFIG_FILE).exists():
        return path, checkpoint.find_checkpoint(path)
    versions = [directory, *(directory / str(number) for number in list_versions(directory))]
    exported = [each for each in versions if (each / "saved_model.pb").exists()]
    if not exported:
        raise UserError(
            f"{path!r} is neither a run's workdir nor an exported model: it holds no "
            f"{workdirs.CONFIG_FILE}, and no saved_model.pb in itself or a numbered folder"
        )
    return str(exported[-1] / "assets"), str(exported[-1] / "variables" / "variables")


def load_backbone(path: str) -> keras.Model:
    """See revisit.load_backbone."""
    backbone, config = load_bare_backbone(path)
    pixels = keras.Input((None, None, 3), dtype=tf.uint8, name="image")
    preprocessing = Preprocessing(config.data.resize, config.data.crop, name="preprocessing")
    pyramid = backbone(preprocessing(pixels))
    pool = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")
    outputs = {"features": pool(pyramid[max(pyramid)]), **pyramid}
    return keras.Model(pixels, outputs, name="pretrained")
