import json
import pickle

import pytest

from data_prep.sources.source import Reject, Row, SourceOptions
from data_prep.sources.webdataset import make_source
from revisit.errors import UserError
from tests.tars import make_tar


def write(folder, archives):
    for name, members in archives.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(make_tar(members))


def read(images, **options):
    source = pickle.loads(pickle.dumps(make_source(SourceOptions(images=images, **options))))
    return source, {row.id: row for row in source.rows()}


def test_members_of_one_name_are_one_sample_in_any_order(tmp_path):
    first = {"b/2.cls": b"cat", "1.jpg": b"one", "b/2.png": b"two", "1.cls": b"dog\n"}
    write(tmp_path, {"name-000000.tar": first, "name-000001.tar": {"1.jpg": b"3", "1.cls": b"cat"}})
    source, rows = read(f"{tmp_path}/name-{{000000..000001}}.tar")
    assert source.taxonomy.names == ("cat", "dog")
    assert {id_: (row.positives, source.read(row).encoded) for id_, row in rows.items()} == {
        "name-000000/1": ((("dog", 1.0),), b"one"),
        "name-000000/b/2": ((("cat", 1.0),), b"two"),
        "name-000001/1": ((("cat", 1.0),), b"3"),
    }
    assert {row.split for row in rows.values()} == {None}


def test_a_folder_names_the_archives_in_it(tmp_path):
    archives = {f"{name}.tar": {"1.jpg": b"", "1.cls": b"0"} for name in "ab"}
    write(tmp_path, archives | {"a/c.tar": {}})
    assert read(str(tmp_path))[1].keys() == {"a/1", "b/1"}


def test_json_says_what_a_manifest_s_line_says(tmp_path):
    labels = {"labels": ["dog", {"name": "pet", "confidence": 0.5}], "negatives": ["cat"]}
    fields = {**labels, "split": "test", "id": "ignored", "caption": "a dog"}
    members = {"1.jpg": b"", "1.json": json.dumps(fields).encode(), "1.txt": b"a dog"}
    write(tmp_path, {"train-0.tar": members})
    _, rows = read(f"{tmp_path}/train-0.tar")
    row = rows["train-0/1"]
    assert row.positives == (("dog", 1.0), ("pet", 0.5))
    assert (row.negatives, row.split) == (("cat",), "test")


def test_class_numbers_are_names_in_the_order_of_numbers(tmp_path):
    members = {f"{n}.{e}": str(n).encode() for n in (9, 10, 2) for e in ("cls", "jpg")}
    write(tmp_path, {"a.tar": members})
    source, rows = read(f"{tmp_path}/a.tar")
    assert source.taxonomy.names == ("2", "9", "10")
    assert rows["a/10"].positives == (("10", 1.0),)


def test_a_word_of_the_archive_s_path_is_the_split(tmp_path):
    sample = {"1.jpg": b"", "1.cls": b"0"}
    write(tmp_path, {"train/000.tar": sample, "val/000.tar": sample, "test/000.tar": sample})
    _, rows = read(f"{tmp_path}/*/000.tar")
    assert {id_: row.split for id_, row in rows.items()} == {
        "train/000/1": "train",
        "val/000/1": "validation",
        "test/000/1": "test",
    }


def test_the_key_ends_at_the_first_dot_of_the_name(tmp_path):
    members = {"a.b/1.seg.png": b"mask", "a.b/1.JPG": b"image", "a.b/1.cls": b"0"}
    write(tmp_path, {"a.tar": members})
    source, rows = read(f"{tmp_path}/a.tar")
    assert source.read(rows["a/a.b/1"]).encoded == b"image"


def test_a_second_member_of_a_name_is_a_reject(tmp_path):
    write(tmp_path, {"a.tar": {"b/1.jpg": b"first", "b/1.JPG": b"second", "b/1.cls": b"0"}})
    source, rows = read(f"{tmp_path}/a.tar")
    reject = rows.pop("b/1.JPG")
    assert reject == Reject("a.tar:b/1.JPG", "b/1.JPG", "a second member of this name")
    assert source.read(rows["a/b/1"]).encoded == b"first"


def test_what_is_no_sample_is_a_reject(tmp_path):
    members = {
        "1.cls": b"0",
        "2.jpg": b"",
        "2.json": b"[",
        "3.jpg": b"",
        "3.json": b"[]",
        "README": b"",
        "4.jpg": b"",
        "4.cls": b"\xff",
        "5.jpg": b"",
        "5.cls": b"0",
    }
    write(tmp_path, {"a.tar": members})
    _, rows = read(f"{tmp_path}/a.tar")
    reasons = {id_: row.reason for id_, row in rows.items() if isinstance(row, Reject)}
    assert isinstance(rows["a/5"], Row)
    assert reasons["a/1"] == "no image beside cls"
    assert reasons["a/2"].startswith("its .json can't be read: Expecting value")
    assert reasons["a/3"] == "its .json is not an object"
    assert reasons["README"] == "no name with an ending"
    assert reasons["a/4"] == "its .cls is not UTF-8"
    assert len(rows) == 6


def test_archives_that_are_not_there_are_named(tmp_path):
    write(tmp_path, {"a-0.tar": {"1.jpg": b"", "1.cls": b"0"}})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"--images: no file at '.*empty/\*\.tar'"):
        make_source(SourceOptions(images=f"{tmp_path}/empty"))
    with pytest.raises(UserError, match=r"--images: no file at '.*a-1\.tar'"):
        make_source(SourceOptions(images=f"{tmp_path}/a-{{0..1}}.tar"))
    with pytest.raises(UserError, match="--source=webdataset needs --images=PATTERN"):
        make_source(SourceOptions())


def test_a_compressed_archive_is_one_clear_line(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(UserError, match="a compressed one has to be decompressed once"):
        make_source(SourceOptions(images=f"{tmp_path}/a.tar.gz"))
