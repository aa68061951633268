"""report.json's figures are those of the data, and report.html shows them without a network."""

import base64
import csv
import hashlib
import io
import json
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from data_prep import builder
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """30 pictures of two classes under one, the first mirrored in validation, and two rejects."""
    root = tmp_path_factory.mktemp("pictures")
    rows = [("path", "labels", "split")]
    for number in range(30):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)
        image.save(root / f"{number}.png")
        rows.append((f"{number}.png", "dog" if number < 25 else "<b>cat</b>", "train"))
    mirrored = Image.open(root / "0.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(root / "mirrored.png")
    rows.append(("mirrored.png", "dog", "validation"))
    rows += [("missing.png", "dog", "train"), ("1.jpg", "unicorn", "train")]
    with (root / "labels.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    (root / "classes.csv").write_text("child,parent\ndog,animal\n<b>cat</b>,animal\n")
    source = SourceOptions(manifest=str(root / "labels.csv"), taxonomy=str(root / "classes.csv"))
    plan = PlanOptions(examples_per_shard=10)
    builder.build(builder.BuildOptions("manifest", source, str(root / "data"), plan, 0.1, 1), {})
    return root / "data"


def test_the_figures_are_those_of_the_data(built):
    report = json.loads((built / "report.json").read_text())
    train = report["splits"]["train"]
    assert (train["images"], report["splits"]["validation"]["images"]) == (30, 1)
    assert train["labels_an_image_given"] == 1
    assert train["labels_an_image_closed"] == 2
    assert train["bytes"] == sum(path.stat().st_size for path in built.glob("*train.tfrecord*"))
    assert report["classes_with_few_images"]["train"] == {"under 20": 1, "under 100": 3}
    assert report["taxonomy"]["levels"] == 2
    assert report["rejects"] == {"No such file or directory": 1, "unknown label": 1}
    assert report["duplicates"]["training images like evaluation images"] == 1


def test_the_first_records_are_counted_as_they_lie_on_disk(built):
    first = json.loads((built / "report.json").read_text())["first_records"]
    assert {part: each["images"] for part, each in first.items()} == {"1%": 1, "10%": 3, "100%": 30}
    builder = tfds.builder_from_directory(str(built))
    in_order = tfds.ReadConfig(interleave_cycle_length=1)
    labels = ["animal", "dog", "<b>cat</b>"]
    for part, subset in first.items():
        records = builder.as_dataset(split=f"train[:{subset['images']}]", read_config=in_order)
        num_dogs = sum(int(one["id"].numpy()[: -len(".png")]) < 25 for one in records)
        counts = subset["images"], num_dogs, subset["images"] - num_dogs
        assert subset["images_a_class"] == dict(zip(labels, counts)), part
        assert subset["classes_with_images"] == sum(count > 0 for count in counts)
        expected = abs(num_dogs / subset["images"] - 25 / 30)
        assert subset["largest_difference_of_a_leaf's_share"] == pytest.approx(expected)
        assert subset["largest_difference_of_an_ancestor's_share"] == 0
    assert first["100%"]["images_a_class"] == {"animal": 30, "dog": 25, "<b>cat</b>": 5}


def test_checksums_are_those_of_sha256sum(built):
    report = json.loads((built / "report.json").read_text())
    for split in report["splits"].values():
        for name, checksum in split["checksums"].items():
            assert hashlib.sha256((built / name).read_bytes()).hexdigest() == checksum


def test_the_page_needs_no_network_and_escapes_names(built):
    page = (built / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "<b>cat" not in page
    assert "&lt;b&gt;cat" in page
    assert "validation: mirrored.png" in page
    assert page.index("validation: mirrored.png") < page.index("Sample of train")
    assert "train: 0.png, 1.0 alike" in page


def test_both_sides_of_an_evaluation_duplicate_are_shown(built, tmp_path):
    root = built.parent
    (tmp_path / "labels.csv").write_text("path,labels\n7.png,dog\n0.png,dog\n")
    source = SourceOptions(manifest=str(tmp_path / "labels.csv"), images=str(root))
    plan = PlanOptions(validation_fraction=0)
    options = builder.BuildOptions(
        "manifest", source, str(tmp_path / "data"), plan, 0.1, 1, (str(built),)
    )
    builder.build(options, {})
    page = (tmp_path / "data" / "report.html").read_text()
    (grid,) = re.findall('<div class="grid">(?:(?!</div>).)*mirrored.png.*?</div>', page)
    pictures = re.findall('<img alt="([^"]*)" src="data:image/jpeg;base64,([^"]*)"', grid)
    sides = {words: read_pixels(base64.b64decode(encoded)) for words, encoded in pictures}
    assert list(sides) == [f"{built} validation: mirrored.png", "train: 0.png, 1.0 alike"]
    mirrored, own = sides.values()
    assert np.abs(mirrored[:, ::-1] - own).mean() < 3  # grey levels: JPEG's loss


def read_pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)), np.float32)
