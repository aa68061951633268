"""Whether the microworld is more than its pixels: a linear model on them against a small ResNet.

    python -m benchmarks.separability

Both learn the 50 classes of the world "transfer" from the same training images and are scored on
the same others. About 2 minutes on two cores.
"""

import io
import os
import tempfile

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.linear_model import RidgeClassifier

from benchmarks import table
from configs import demo
from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources import microworld
from data_prep.sources.source import Row, Source, SourceOptions
from revisit.training import loop
from revisit.training.modes import RANDOM, resolve

NUM_IMAGES = 4000  # four fifths to learn from
PENALTIES = (1e3, 1e4, 1e5, 1e6)  # the best is taken, in the linear model's favor
DURATION = "25 epochs"


def _pixels(source: Source, split: str) -> tuple[npt.NDArray[np.float32], list[str]]:
    """[N, 12288] float32 in [0, 1] and the names of the classes of a split."""
    rows = [row for row in source.rows() if isinstance(row, Row) and row.split == split]
    images = [np.asarray(Image.open(io.BytesIO(source.read(row).encoded))) for row in rows]
    flat = np.stack(images).reshape(len(rows), -1) * np.float32(1 / 255)
    return flat, [row.positives[0][0] for row in rows]


def linear_accuracy(options: SourceOptions) -> float:
    """Top-1 of ridge regression to one-hot labels on raw pixels, with the best penalty."""
    source = microworld.make_source(options)
    train, validation = (_pixels(source, split) for split in ("train", "validation"))
    return max(
        RidgeClassifier(alpha=penalty, solver="cholesky").fit(*train).score(*validation)
        for penalty in PENALTIES
    )


def resnet_accuracy(options: SourceOptions, duration: str = DURATION) -> float:
    """Top-1 of the demo's ResNet, trained from scratch on the same images."""
    with tempfile.TemporaryDirectory() as directory:
        data = os.path.join(directory, "data")
        build(BuildOptions("microworld", options, data, PlanOptions(), 0.0, None), {})
        config = demo.get_config()
        config.modes.finetune.data.update({"dir": data, "fraction": 1.0})
        config.modes.finetune.schedule.learning_rate = 0.1
        config.modes.finetune.train.duration = duration
        run = resolve(config, "finetune")
        return loop.train(run, "finetune", os.path.join(directory, "run"), RANDOM)["top_1"]


def main() -> None:
    """Prints both accuracies and their ratio."""
    options = SourceOptions(world="transfer", num_images=NUM_IMAGES)
    linear, resnet = linear_accuracy(options), resnet_accuracy(options)
    table.header("top-1, transfer world: linear on pixels, ResNet")
    table.row("microworld", f"{linear:.1%}", f"{resnet:.1%}", linear / resnet, "<= 0.3")


if __name__ == "__main__":
    main()
