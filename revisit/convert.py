"""Writes a trained backbone as a file of another library; whole models, with their heads, are
revisit.export's.

python -m revisit.convert --model=WORKDIR --to=keras --out=backbone.keras         # Keras 3
python -m revisit.convert --model=models/NAME --to=safetensors --out=backbone.safetensors  # torch
python -m revisit.convert --model=WORKDIR --to=keras_hub --out=backbone.keras
python -m revisit.convert --model=WORKDIR --to=onnx --out=backbone.onnx
python -m revisit.convert --model=WORKDIR --to=tflite --out=backbone.tflite

The other way, revisit.train starts from a file, --init=FILE.safetensors, .keras or .h5, or from
--init=keras.applications.ResNet50; revisit/models/readers.py says what they may hold.
"""

import os
from collections.abc import Sequence

from absl import flags

from revisit import cli
from revisit.errors import UserError

_MODEL = flags.DEFINE_string("model", None, "A run's workdir, or what revisit.export made of it.")
_TO = flags.DEFINE_enum(
    "to",
    "keras",
    ["keras", "keras_hub", "onnx", "safetensors", "tflite"],
    "The file's format.",
)
_OUT = flags.DEFINE_string("out", None, "The file.")


def main(argv: Sequence[str]) -> None:
    """Converts, and prints the file's name."""
    if not _MODEL.value or not _OUT.value:
        raise UserError("--model=DIR (a run, or an exported model) and --out=FILE must be given")

    cli.import_tensorflow()
    from revisit.models.formats import conventions_of
    from revisit.models.writers import WRITERS, Network
    from revisit.serving.backbones import load_bare_backbone

    backbone, config = load_bare_backbone(_MODEL.value)
    os.makedirs(os.path.dirname(os.path.abspath(_OUT.value)), exist_ok=True)
    network = Network(backbone, conventions_of(config.model), config.data.crop)
    WRITERS[_TO.value](network, _OUT.value)
    print(_OUT.value)


if __name__ == "__main__":
    cli.run(main)
