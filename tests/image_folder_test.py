import itertools
import pickle
import tarfile
from collections import Counter

import pytest

from data_prep.sources.image_folder import make_source
from data_prep.sources.source import Reject, Row, SourceOptions
from revisit.errors import UserError
from tests.tars import make_tar

SPLITS = {"train/dog/1.jpg": b"1", "train/cat/2.jpg": b"2", "val/dog/deep/er/3.jpg": b"3"}


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return SourceOptions(images=str(folder))


def by_id(source):
    return {row.id: row for row in pickle.loads(pickle.dumps(source)).rows()}


def described(source):
    return {
        row.id: (row.positives, row.split, source.read(row).encoded)
        for row in by_id(source).values()
    }


SPLIT_ROWS = {
    "train/dog/1.jpg": ((("dog", 1.0),), "train", b"1"),
    "train/cat/2.jpg": ((("cat", 1.0),), "train", b"2"),
    "val/dog/deep/er/3.jpg": ((("dog", 1.0),), "validation", b"3"),
}


def test_a_folder_a_split_and_below_it_one_a_class(tmp_path):
    source = make_source(write(tmp_path, SPLITS))
    assert source.taxonomy.names == ("cat", "dog")
    assert described(source) == SPLIT_ROWS


def test_a_folder_a_class(tmp_path):
    source = make_source(write(tmp_path, {"dog/1.jpg": b"1", "dog/val/2.jpg": b"2"}))
    assert source.taxonomy.names == ("dog",)
    assert described(source) == {
        "dog/1.jpg": ((("dog", 1.0),), None, b"1"),
        "dog/val/2.jpg": ((("dog", 1.0),), None, b"2"),
    }


def test_the_root_may_be_a_tar(tmp_path):
    (tmp_path / "photos.tar").write_bytes(make_tar(SPLITS))
    source = make_source(SourceOptions(images=str(tmp_path / "photos.tar")))
    assert described(source) == SPLIT_ROWS


def test_a_file_outside_the_classes_is_a_reject_and_a_hidden_one_is_nothing(tmp_path):
    more = {"train/list.txt": b"", "readme.txt": b"", "train/dog/.DS_Store": b""}
    rows = by_id(make_source(write(tmp_path, {**SPLITS, **more})))
    assert rows.keys() == {*SPLITS, "train/list.txt", "readme.txt"}
    assert rows["readme.txt"] == Reject("readme.txt", "readme.txt", "in no class's folder")
    assert rows["train/list.txt"].reason == "in no class's folder"


@pytest.mark.parametrize("outer", ["photos", "data/photos"])
@pytest.mark.parametrize("split", ["", "train/"])
def test_folders_around_all_classes_mean_nothing(outer, split, tmp_path):
    inner = {f"{split}dog/1.jpg": b"1", f"{split}cat/more/2.jpg": b"2"}
    source = make_source(write(tmp_path, {f"{outer}/{path}": each for path, each in inner.items()}))
    assert source.taxonomy.names == ("cat", "dog")
    rows = sorted(source.rows())
    assert [row.positives for row in rows] == [(("cat", 1.0),), (("dog", 1.0),)]
    assert {row.split for row in rows} == {"train" if split else None}


def test_a_lone_class_is_one(tmp_path):
    for place, path in (("flat", "dog/1.jpg"), ("split", "train/dog/1.jpg")):
        assert make_source(write(tmp_path / place, {path: b"1"})).taxonomy.names == ("dog",)


def test_links_are_refused_unless_allowed(tmp_path):
    write(tmp_path / "elsewhere", {"dogs/1.jpg": b"1"})
    write(tmp_path / "images", {"dog/2.jpg": b"2"})
    (tmp_path / "images" / "dog" / "3.jpg").symlink_to(tmp_path / "elsewhere" / "dogs" / "1.jpg")
    (tmp_path / "images" / "dog" / "more").symlink_to(tmp_path / "elsewhere" / "dogs")
    options = SourceOptions(images=str(tmp_path / "images"))
    source = make_source(options)
    assert source.read(by_id(source)["dog/2.jpg"]).encoded == b"2"
    for name in ("dog/3.jpg", "dog/more"):
        with pytest.raises(ValueError, match="is a link or below one"):
            source.read(by_id(source)[name])
    allowed = make_source(options._replace(allow_outside_paths=True))
    assert {id_: read for id_, (_, _, read) in described(allowed).items()} == {
        "dog/2.jpg": b"2",
        "dog/3.jpg": b"1",
        "dog/more/1.jpg": b"1",
    }


@pytest.mark.parametrize(
    "files, words",
    [
        ({}, "has no images in folders: expected root/class/file"),
        ({"1.jpg": b""}, "has no images in folders: expected root/class/file"),
        ({**SPLITS, "dog/1.jpg": b""}, "has the splits train, val beside 'dog': at the top all"),
    ],
)
def test_folders_that_can_t_be_told_apart_are_one_clear_line(files, words, tmp_path):
    with pytest.raises(UserError, match=words):
        make_source(write(tmp_path, files))


@pytest.mark.parametrize("images", ["/nowhere", "/nowhere.tar", "/etc/passwd"])
def test_what_is_no_folder_is_one_clear_line(images):
    with pytest.raises(UserError, match="--source=image_folder needs --images=FOLDER"):
        make_source(SourceOptions())
    with pytest.raises(UserError, match=f"--images='{images}' is not a folder or uncompressed"):
        make_source(SourceOptions(images=images))


def test_tiny_imagenet_repacked_counts_as_its_archive(shared_data, tmp_path):
    archive = shared_data("01_tiny-imagenet-200", "train_250-399.tar.xz")
    expected = Counter()
    with tarfile.open(archive, "r|xz") as images:
        for member in itertools.islice(images, 2000):  # a dozen classes
            if member.isfile() and member.name.endswith(".JPEG"):
                name = member.name.split("/")[-1]
                wnid = name.split("_")[0]
                expected[wnid] += 1
                content = images.extractfile(member).read()
                write(tmp_path, {f"train/{wnid}/images/{name}": content})
    source = make_source(SourceOptions(images=str(tmp_path)))
    rows = [row for row in source.rows() if isinstance(row, Row)]
    assert Counter(name for row in rows for name, _ in row.positives) == expected
    assert len(expected) > 5
    assert all(source.read(row).encoded.startswith(b"\xff\xd8") for row in rows)
