"""How far will more (noisy) data take a vision model: pretrain, transfer, fit the curve, serve."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tf_keras as keras

# tf_keras is the Keras whose batch norm and optimizers are exact under every tf.distribute
# strategy; TensorFlow and keras-cv only use it if this is set before either is imported, so it
# stands at the package's door.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# TensorFlow's start-up banners would bury the one line that a command prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def load_backbone(path: str) -> "keras.Model":
    """A trained backbone with its preprocessing: `load_backbone(path)(pixels)["features"]`.

    Args:
      path: a run's workdir, or an exported model: its directory, or one version of it.

    Returns:
      A Keras model (tf_keras) from "image" [B, H, W, 3] uint8 RGB of any size, which it resizes and
      crops as evaluation does, to a dict of float32: "features" [B, F], pooled from the deepest
      stage, and that stage and those before it, "c2" to "c5" [B, H', W', C].

    Raises:
      UserError: there is no trained model at `path`.
    """
    from revisit.serving.backbones import load_backbone as load

    return load(path)
