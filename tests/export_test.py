"""The door: from a finished run to an answer, as a user types it."""

import csv
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from revisit.data import images
from revisit.training.loop import train
from revisit.training.model import forward, load_model

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def door(name, *arguments):
    command = [sys.executable, "-m", f"revisit.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "photograph.png"
    pixels = np.random.default_rng(0).integers(0, 256, (36, 48, 3), np.uint8)
    path.write_bytes(tf.io.encode_png(pixels).numpy())
    return path


def test_two_exports_give_two_versions_and_the_newest_answers(finished_run, tmp_path, photograph):
    for version in ("1", "2"):
        exported = door("export", f"--workdir={finished_run}", f"--out={tmp_path / 'pets'}")
        assert exported.stdout == f"{tmp_path / 'pets' / version}\n", exported.stderr
    answered = door("client", f"--model={tmp_path / 'pets'}", photograph)
    assert answered.returncode == 0, answered.stderr
    path, header, *rows = answered.stdout.splitlines()
    assert path == str(photograph)
    assert header.split() == ["score", "name", "title", "ancestors"]
    assert len(rows) == 5  # of 6 classes, config.task.export_top_k
    loaded = load_model(str(finished_run))
    batch = images.to_model_range(images.eval_image(photograph.read_bytes(), 40, 32)[tf.newaxis])
    logits = forward(loaded.backbone, loaded.head, {"image": batch}, False, False)["logits"]
    best = int(np.argmax(logits))
    assert rows[0].split()[:2] == [
        f"{tf.sigmoid(logits)[0, best].numpy():.3f}",
        loaded.taxonomy.names[best],
    ]


def test_a_server_without_our_code_gives_the_same_labels(finished_run, tmp_path, photograph):
    door("export", f"--workdir={finished_run}", f"--out={tmp_path / 'pets'}")
    server = pathlib.Path(__file__).with_name("savedmodel_server.py")
    # It imports nothing of the project, and runs away from the checkout.
    process = subprocess.Popen(
        [sys.executable, server, tmp_path], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    rest_port, grpc_port = process.stdout.readline().split()
    addresses = (
        f"--url=http://127.0.0.1:{rest_port}/v1/models/pets",
        f"--url=grpc://127.0.0.1:{grpc_port}/pets",
        f"--model={tmp_path / 'pets'}",
    )
    answers = [door("client", address, photograph).stdout for address in addresses]
    process.terminate()
    process.wait()
    assert answers[0].count("\n") == 7
    assert answers[0] == answers[1] == answers[2]


def test_a_trained_model_is_exported_with_its_figures(tiny_config, tmp_path):
    config = tiny_config()
    train(config, "pretrain", str(tmp_path / "run"))
    (tmp_path / "models" / "0").mkdir(parents=True)
    options = ["--pyramid", "--weights_dtype=bfloat16", "--license=CC0-1.0", "--keep=1"]
    arguments = [f"--workdir={tmp_path / 'run'}", f"--out={tmp_path / 'models'}"]
    exported = door("export", *arguments, *options)
    assert exported.returncode == 0, exported.stderr
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["1"]
    card = (tmp_path / "models" / "1" / "model_card.md").read_text()
    assert "- model: CC0-1.0" in card
    assert "bfloat16 weights" in card
    assert "| loss | " in card
    thresholds = list(csv.DictReader((tmp_path / "models/1/assets/thresholds.csv").open()))
    assert [row["class"] for row in thresholds] == list(
        load_model(str(tmp_path / "run")).taxonomy.names
    )
    assert all(0 <= float(row["threshold"]) <= 1 for row in thresholds)
    model = tf.saved_model.load(str(tmp_path / "models" / "1"))
    image = tf.io.encode_png(tf.zeros([32, 32, 3], tf.uint8))[tf.newaxis]
    answer = model.signatures["serving_default"](image_bytes=image)
    (class_ids,), (given,) = answer["class_ids"].numpy(), answer["thresholds"].numpy()
    expected = [float(thresholds[class_id]["threshold"]) for class_id in class_ids]
    np.testing.assert_allclose(given, expected, rtol=1e-6)
    pyramid = model.signatures["features"](image_bytes=image)
    assert set(pyramid) == {"features", "c2", "c3", "c4", "c5"}
    assert "- records: {'train': 96, 'validation': 40} (all of each split)" in card


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--out=models"], "error: --workdir=DIR (a run) and --out=DIR"),
        (["--workdir=nowhere"], "error: --workdir=DIR (a run) and --out=DIR"),
        (["--workdir=nowhere", "--out=models"], "error: --workdir=nowhere holds no run"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, words):
    refused = door("export", *arguments)
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(words)
    assert "Traceback" not in refused.stderr


def test_another_checkpoint_than_the_two_is_a_wrong_flag():
    refused = door("export", "--workdir=a", "--out=b", "--checkpoint=first")
    assert refused.returncode == 2
