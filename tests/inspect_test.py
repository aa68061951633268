import csv
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data_prep import builder, report
from data_prep.examples.tiny_imagenet import Synset, write_manifests
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def inspect(*flags):
    command = [sys.executable, "-m", "data_prep.inspect", *flags]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def build(out, **source):
    name = "manifest" if "manifest" in source else "microworld"
    plan = PlanOptions(validation_fraction=0.25)
    options = builder.BuildOptions(name, SourceOptions(**source), str(out), plan, 0.1, 1)
    builder.build(options, {})
    return out


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    lines = ["path,labels"]
    for number in range(40):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'dog;cat' if number else 'unicorn'}")
    (folder / "labels.csv").write_text("\n".join(lines))
    (folder / "classes.csv").write_text("child,parent,title\ndog,animal,Hound\ncat,animal,\n")
    return folder


@pytest.fixture(scope="module")
def data(photos, tmp_path_factory):
    manifest, taxonomy = str(photos / "labels.csv"), str(photos / "classes.csv")
    return build(tmp_path_factory.mktemp("data"), manifest=manifest, taxonomy=taxonomy)


def test_it_prints_a_table_and_draws_a_sheet(data, tmp_path):
    finished = inspect(f"--data={data}", f"--sheet={tmp_path}/sheet.png", "--num_images=12")
    assert finished.returncode == 0, finished.stderr
    lines = [line.strip().partition("  ") for line in finished.stdout.splitlines()]
    table = {name: value.strip() for name, _, value in lines}
    assert table["train: labels an image"] == "2.00 given, 3.00 with ancestors"
    assert table["levels"] == "2"
    assert table["rejects"] == "1 in rejects.csv (unknown label 1)"
    assert "Hound" in table["train: head"]
    width, height = Image.open(tmp_path / "sheet.png").size
    assert (width, height) == (1440, 480)


def test_the_sheet_lies_in_the_data_set_if_nothing_else_is_said(data):
    assert inspect(f"--data={data}", "--num_images=1", "--split=validation").returncode == 0
    assert (data / "contact_sheet.png").exists()


def test_without_a_train_split_the_first_is_drawn(photos, tmp_path):
    (photos / "val.csv").write_text("path,labels,split\n1.png,Dog,val\n2.png,dog,val\n")
    build(tmp_path / "data", manifest=str(photos / "val.csv"))
    finished = inspect(f"--data={tmp_path}/data")
    assert finished.returncode == 0, finished.stderr
    assert "1 ('Dog' and 'dog')" in finished.stdout
    assert (tmp_path / "data" / "contact_sheet.png").exists()


def test_boxes_and_skeletons_are_drawn(tmp_path):
    build(tmp_path / "data", num_images=12, world="pretrain")
    given = f"--data={tmp_path}/data", f"--sheet={tmp_path}/sheet.png", "--num_images=6"
    finished = inspect(*given)
    assert finished.returncode == 0, finished.stderr
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).reshape(-1, 3)
    assert (pixels == (255, 255, 0)).all(axis=1).any()  # a box's yellow


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "--data is missing"),
        (["--data=/nowhere"], "no data set at '/nowhere': build it with python -m data_prep.build"),
    ],
)
def test_a_user_s_mistake_is_one_line(flags, words):
    finished = inspect(*flags)
    assert finished.returncode == 1
    assert words in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_an_unknown_split_is_one_line(data):
    finished = inspect(f"--data={data}", "--split=dev")
    assert finished.returncode == 1
    assert "no split 'dev'" in finished.stderr


@pytest.mark.parametrize(
    "reason, kind",
    [
        ("unknown label 'unicorn'", "unknown label"),
        (
            "unknown label 'Dog', which the taxonomy spells 'dog'",
            "unknown label which the taxonomy spells",
        ),
        ("photos/a b.jpg: No such file or directory", "No such file or directory"),
        ("confidence 1.5 of label 'a' is not in (0, 1]", "confidence of label is not in"),
        ("not an image that Pillow knows", "not an image that Pillow knows"),
        ("???", "???"),
    ],
)
def test_rejects_are_counted_by_kind(reason, kind):
    assert report.reject_kind(reason) == kind


def test_progress_counts_the_images_of_this_run_from_when_the_rows_were_read(capsys, monkeypatch):
    clock = iter([0.0, 5.0, 15.0])
    monkeypatch.setattr(report.time, "monotonic", lambda: next(clock))
    measured = iter([report.Done(0, 0, 0), report.Done(100, 20, 200)])
    progress = report.Progress(lambda: next(measured))
    assert progress._line() == "reading rows, 5 s"
    assert progress._line() == "120 of 200 images, 2 images/s, 40 s left"


@pytest.fixture
def tiny(tmp_path):
    """Tiny ImageNet's folders, with 60 classes of 160 images that are empty files."""
    root = tmp_path / "tiny-imagenet-200"
    lines = []
    for number in range(60):
        folder = root / "train" / f"n{number:08d}" / "images"
        folder.mkdir(parents=True)
        for image in range(160):
            (folder / f"n{number:08d}_{image}.JPEG").touch()
        lines.append(f"val_{number}.JPEG\tn{number:08d}\t0\t0\t1\t1\n")
    (root / "val").mkdir()
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    return root


def test_tiny_imagenet_becomes_two_sets_of_different_classes(tiny, tmp_path):
    wordnet = {f"n{number:08d}": Synset(f"leaf {number}", ("n9",)) for number in range(60)}
    wordnet["n9"] = Synset("root", ())
    write_manifests(str(tiny), wordnet, str(tmp_path), seed=0)

    def read(name):
        return list(csv.DictReader((tmp_path / name).open()))

    pretrain, transfer = read("pretrain.csv"), read("transfer.csv")
    assert not {row["labels"] for row in pretrain} & {row["labels"] for row in transfer}
    assert [row["split"] for row in pretrain].count("train") == 10 * 160
    assert [row["split"] for row in pretrain].count("validation") == 10
    assert [row["split"] for row in transfer].count("train") == 50 * 50
    assert [row["split"] for row in transfer].count("validation") == 50 * 100
    assert transfer[50]["path"].endswith("_50.JPEG")
    classes = read("pretrain_classes.csv")
    assert len(classes) == 11
    assert classes[-1] == {"child": "n9", "parent": "", "title": "root"}
