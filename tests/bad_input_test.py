"""A whole build from a manifest with everything wrong that a row can have."""

import csv
import io
import os

import pytest
from PIL import Image

from data_prep.builder import BuildOptions, build
from data_prep.pipeline import PlanOptions
from data_prep.sources.source import SourceOptions
from revisit.data.records import read_dataset
from revisit.errors import UserError
from tests.tars import make_tar


def encode(color):
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(encoded, "JPEG")
    return encoded.getvalue()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, color in {"good.jpg": "red", "other.jpg": "blue", "more.jpg": "green"}.items():
        (folder / name).write_bytes(encode(color))
    (folder / "link.jpg").symlink_to(folder / "good.jpg")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "a.tar").write_bytes(make_tar({"in/1.jpg": encode("gray")}))
    return folder


LINES = [  # what stands in a row, and why it is left out
    ("good,good.jpg,dog,", None),
    ("inside,a.tar/in/1.jpg,cat:0.5,", None),
    ("unknown,other.jpg,dgo,", "unknown label 'dgo'"),
    ("case,other.jpg,Dog,", "unknown label 'Dog', which the taxonomy spells 'dog'"),
    ("missing,nowhere.jpg,dog,", "nowhere.jpg: No such file or directory"),
    ("confidence,other.jpg,dog:1.5,", "confidence '1.5' is not a number from 0 to 1"),
    ("good,other.jpg,dog,", "duplicate id: labels.csv:2 has it with another image or split"),
    ("up,../photos/good.jpg,dog,", "path '../photos/good.jpg' leaves the folder of images"),
    ("root,/etc/hostname,dog,", "path '/etc/hostname' leaves the folder of images"),
    ("link,link.jpg,dog,", "link.jpg is a link or below one"),
    ("member,a.tar/in/2.jpg,dog,", "no member 'in/2.jpg' in "),
    ("archive,b.tar/1.jpg,dog,", "no archive at "),
    ("empty,empty.jpg,dog,", "empty file"),
    ("bare,more.jpg,,", "no labels"),
    ("split,more.jpg,dog,holdout", "split 'holdout' is none of train, validation, test"),
    ("comma,more.jpg,dog,cat,train", "5 cells, the header has 4"),
]


def build_manifest(photos, tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    (tmp_path / "classes.yaml").write_text("animal: [dog, cat]\n")
    source = SourceOptions(
        manifest=str(tmp_path / "labels.csv"),
        images=str(photos),
        taxonomy=str(tmp_path / "classes.yaml"),
    )
    build(BuildOptions("manifest", source, str(tmp_path / "out"), PlanOptions(), 1.0, 1), {})
    dataset = read_dataset(tmp_path / "out")
    return sum(map(dataset.num_examples, dataset.shards))


# With a byte order mark, Windows' line ends, and a header in another order than usual.
def test_every_bad_row_is_a_reject_with_its_line_and_reason(photos, tmp_path):
    rows = ["id,path,labels,split", *(row for row, _ in LINES)]
    content = b"\xef\xbb\xbf" + "".join(f"{row}\r\n" for row in rows).encode()
    assert build_manifest(photos, tmp_path, content) == 2
    with (tmp_path / "out" / "rejects.csv").open() as file:
        found = {reject["origin"]: reject["reason"] for reject in csv.DictReader(file)}
    expected = {f"labels.csv:{line}": reason for line, (_, reason) in enumerate(LINES, 2) if reason}
    assert found.keys() == expected.keys()
    for origin, reason in expected.items():
        assert reason in found[origin], origin


@pytest.mark.parametrize(
    "content, words",
    [
        (b"good.jpg,dog\n", "needs a header with 'path' and 'labels'"),
        (b"path,labels\ngood.jpg,ch\xe2t\n", r"labels.csv:2 is not UTF-8 \(byte 0xe2\)"),
        ("path,labels\n".encode("utf-16"), r"labels.csv:1 is not UTF-8 \(byte 0xff\)"),
    ],
)
def test_a_file_that_can_t_be_read_at_all_is_one_clear_line(content, words, photos, tmp_path):
    with pytest.raises(UserError, match=words):
        build_manifest(photos, tmp_path, content)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"path,labels\n", "--source=manifest finds no images in what it was given"),
        (
            b"path,labels\ngood.jpg,dgo\nother.jpg,cats\nmore.jpg,\n",
            r"no image is left of 3 rows \(2 like labels.csv:2: unknown label 'dgo'\): mend what",
        ),
    ],
)
def test_a_build_without_images_says_why(content, words, photos, tmp_path):
    with pytest.raises(UserError, match=words):
        build_manifest(photos, tmp_path, content)


def test_a_file_s_name_in_another_encoding_is_a_reject(tmp_path):
    folder = tmp_path / "photos" / "dog"
    folder.mkdir(parents=True)
    for name, color in {b"1.jpg": "red", b"caf\xe9.jpg": "blue"}.items():
        (folder / os.fsdecode(name)).write_bytes(encode(color))
    source = SourceOptions(images=str(tmp_path / "photos"))
    options = BuildOptions("image_folder", source, str(tmp_path / "out"), PlanOptions(), 1.0, 1)
    build(options, {})
    name = "dog/caf\\udce9.jpg"
    assert (tmp_path / "out" / "rejects.csv").read_text().splitlines()[1:] == [
        f"{name},{name},its name is not UTF-8: rename it"
    ]
    folder.rename(os.fsdecode(os.fsencode(tmp_path / "photos") + b"/ch\xe2t"))
    with pytest.raises(UserError, match=r"the class name 'ch.udce2t' is not UTF-8: rename it"):
        build(options._replace(out=str(tmp_path / "other")), {})
