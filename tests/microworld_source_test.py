"""The microworld as a source of rows and pictures."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize(
    "options, words",
    [
        (SourceOptions(world="moon", num_images=5), "no world 'moon'"),
        (SourceOptions(world="pretrain", num_images=0), "--num_images"),
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
