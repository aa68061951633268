"""The microworld as a source of rows and pictures."""

import csv
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.microworld import make_source
from data_prep.sources.source import SourceOptions
from revisit.errors import UserError


def test_pretrain_rows_have_noisy_labels_and_the_truth_in_both_splits():
    source = make_source(SourceOptions(world="pretrain", seed=1, num_images=400))
    rows = list(source.rows())
    assert len({row.id for row in rows}) == 400
    assert [row.split for row in rows].count("validation") == 20
    for split in ("train", "validation"):
        noisy = [{name for name, _ in row.positives} != set(row.truth)
                 for row in rows if row.split == split]  # fmt: skip
        assert 0.1 < np.mean(noisy) < 0.9
    assert all(name in source.taxonomy.ids for row in rows for name, _ in row.positives)
    assert tuple(source.contents) == (True, True, True, True)
    assert source.mask_classes[0] == "background"


def test_transfer_rows_have_one_clean_label_and_balanced_splits():
    source = make_source(SourceOptions(world="transfer", num_images=1000))
    rows = list(source.rows())
    assert all(len(row.positives) == 1 and row.positives[0][1] == 1.0 for row in rows)
    assert not any(source.contents)
    for split, share in (("train", 16), ("validation", 4)):
        names = [row.positives[0][0] for row in rows if row.split == split]
        assert {names.count(name) for name in source.taxonomy.names} == {share}
    assert source.taxonomy.depth() == 1


def test_a_row_read_alone_and_by_a_pickled_source_is_the_same_picture():
    source = make_source(SourceOptions(world="pretrain", num_images=30))
    rows = list(source.rows())
    first = source.read(rows[29])
    again = pickle.loads(pickle.dumps(source)).read(pickle.loads(pickle.dumps(rows[29])))
    assert again.encoded == first.encoded
    np.testing.assert_array_equal(again.annotations.mask, first.annotations.mask)
    image = Image.open(io.BytesIO(first.encoded))
    assert (image.format, image.size) == ("JPEG", (64, 64))


def test_copies_show_an_earlier_picture_again_darker_and_with_labels_of_their_own():
    options = SourceOptions(world="pretrain", num_images=1000, copies=0.3)
    source = make_source(options)
    rows = list(source.rows())
    copies = [(index, row) for index, row in enumerate(rows) if row.reference.copy >= 0]
    assert 0.25 < len(copies) / len(rows) < 0.35
    assert {row.split for _, row in copies} == {"train", "validation"}
    relabelled = 0
    for index, row in copies:
        original = rows[row.reference.scene[2]]
        assert original.reference.scene[2] < index == row.reference.copy
        assert original.reference.copy == -1
        assert row.truth == original.truth
        relabelled += row.positives != original.positives
    assert 0.2 < relabelled / len(copies) < 0.8
    index, row = copies[0]
    copy, original = source.read(row), source.read(rows[row.reference.scene[2]])
    assert copy.annotations.objects == original.annotations.objects
    pixels = [np.asarray(Image.open(io.BytesIO(each.encoded))) for each in (copy, original)]
    assert 0.7 < pixels[0].mean() / pixels[1].mean() < 1.0
    plain = list(make_source(options._replace(copies=0.0)).rows())
    assert [row for row in rows if row.reference.copy < 0] == [
        other for row, other in zip(rows, plain, strict=True) if row.reference.copy < 0
    ]


def test_a_build_finds_all_copies_as_near_duplicates_and_nothing_else(tmp_path):
    source = SourceOptions(world="pretrain", num_images=400, copies=0.3)
    build(BuildOptions("microworld", source, str(tmp_path), PlanOptions(), 0.0, 1), {})
    with (tmp_path / "duplicates.csv").open() as file:
        found = {row["id"]: row["group"] for row in csv.DictReader(file)}
    shown = {row.id: row.reference.scene[2] for row in make_source(source).rows()}
    shared = {name for name, scene in shown.items() if list(shown.values()).count(scene) > 1}
    assert found.keys() == shared
    assert len(set(found.values())) == len({(found[name], shown[name]) for name in found})
    assert len(set(found.values())) == len({shown[name] for name in found})


@pytest.mark.parametrize(
    "options, words",
    [
        (SourceOptions(world="moon", num_images=5), "no world 'moon'"),
        (SourceOptions(world="pretrain", num_images=0), "--num_images"),
        (SourceOptions(world="transfer", num_images=5, copies=0.1), "--copies"),
    ],
)
def test_wrong_options_are_one_clear_line(options, words):
    with pytest.raises(UserError, match=words):
        make_source(options)


def test_drawing_needs_no_tensorflow():
    code = (
        "import sys; from data_prep.microworld import labels, rendering, scenes;"
        "rendering.render(scenes.make_scene('pretrain', 0, 0), 64);"
        "assert 'tensorflow' not in sys.modules, 'tensorflow was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
