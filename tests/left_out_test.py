"""Near duplicates from the build to the figures: what training leaves out, what is scored apart."""

import csv

import numpy as np
import pytest
from PIL import Image

from configs import default
from data_prep import builder
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data.records import Contents, Dataset
from revisit.data.taxonomy import make_taxonomy
from revisit.training import loop, modes
from revisit.training import workdir as workdirs
from revisit.training.scoring import score


def draw(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)


def build(root, images, split, evaluation_sets=()):
    """A data set of two classes; `images` are pictures."""
    root.mkdir()
    rows = [("path", "labels", "split")]
    for number, image in enumerate(images):
        image.save(root / f"{number}.png")
        rows.append((f"{number}.png", ("cat", "dog")[number % 2], split))
    with (root / "labels.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    source = SourceOptions(manifest=str(root / "labels.csv"))
    options = builder.BuildOptions(
        "manifest", source, str(root / "data"), PlanOptions(), 0.0, 1, evaluation_sets
    )
    builder.build(options, {})
    return str(root / "data")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """10 pictures to score on; of 30 to train on, 4 are the first of those, mirrored."""
    root = tmp_path_factory.mktemp("data")
    scored = build(root / "scored", map(draw, range(10)), "validation")
    mirrored = [draw(seed).transpose(Image.Transpose.FLIP_LEFT_RIGHT) for seed in range(4)]
    pictures = [*mirrored, *map(draw, range(100, 126))]
    return build(root / "trained", pictures, "train", (scored,)), scored


def train(mode, workdir, directory, init=None, **fields):
    config = default.get_config()
    config.data.update({"dir": directory, "resize": 32, "crop": 32, "eval_split": "train"})
    config.data.update(fields)
    config.model.update({"depth": 8, "width": 8, "stem": "patch4"})
    config.train.update({"batch_size": 8, "eval_batch_size": 8, "duration": "1 steps"})
    loop.train(modes.resolve(config, mode), mode, str(workdir), init)
    return str(workdir)


def test_near_duplicates_of_evaluation_images_are_not_trained_on(data, tmp_path, capsys):
    train("pretrain", tmp_path, data[0], drop_duplicates="evaluation")
    assert ": 26 examples of" in capsys.readouterr().out


def test_what_the_first_run_saw_is_scored_apart_in_a_probe(data, tmp_path):
    pretrained = train("pretrain", tmp_path / "run", data[0])
    splits = {"train_split": "validation", "eval_split": "validation"}
    probe = train("linear_probe", tmp_path / "probe", data[1], pretrained, **splits)
    figures = score(probe, "last", None, None)["figures"]
    assert (figures["num_examples"], figures["not_in_training_num_examples"]) == (10, 6)


@pytest.mark.parametrize("init, others", [("run", 1), ("run/checkpoints/ckpt-1", 1), ("random", 0)])
def test_data_sets_of_former_runs_are_known(init, others, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = default.get_config()
    dataset = Dataset("", make_taxonomy(["a"], []), Contents(), {}, {})
    for workdir, mode, start in (("run", "pretrain", None), ("probe", "linear_probe", init)):
        config.data.dir = f"data/{workdir}"
        workdirs.claim(workdir, config, mode, start, dataset)
    assert workdirs.training_sets("probe") == ["data/probe", "data/run"][: 1 + others]
