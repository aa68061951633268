import gzip
import json
import lzma
import pickle

import numpy as np
import pytest

from data_prep.sources.manifest import make_source
from data_prep.sources.source import Reject, SourceOptions
from revisit.errors import UserError
from tests.tars import make_tar


@pytest.fixture
def read(tmp_path):
    """Writes a manifest (and a taxonomy of flat names) and gives its source."""

    def read(content, name="labels.csv", classes=()):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
        taxonomy = ""
        if classes:
            taxonomy = str(tmp_path / "classes.yaml")
            (tmp_path / "classes.yaml").write_text(json.dumps(list(classes)))
        return make_source(SourceOptions(manifest=str(tmp_path / name), taxonomy=taxonomy))

    return read


def rows_of(source):
    return list(source.rows())


def test_labels_with_semicolons_and_confidences(read):
    (spaced,) = rows_of(read('path, labels\na/1.jpg, "Tart, pastry"\n'))
    assert spaced.positives == (("Tart, pastry", 1.0),)
    (row, same) = rows_of(read("path,labels\na/1.jpg,dog; pet:0.7\na/2.jpg,dog|pet:0.7\n"))
    assert row.positives == same.positives == (("dog", 1.0), ("pet", 0.7))
    assert (row.id, row.reference, row.origin) == ("a/1.jpg", "a/1.jpg", "labels.csv:2")


def test_columns_in_any_order_and_case(read):
    content = "Split,negatives,LABELS,id,path\nvalidation,cat;cow,dog,first,1.jpg\n"
    (row,) = rows_of(read(content))
    assert row.id == "first"
    assert row.split == "validation"
    assert row.negatives == ("cat", "cow")


@pytest.mark.parametrize("given, split", [("TRAIN", "train"), ("Val", "validation"), ("", None)])
def test_a_split_has_many_spellings(given, split, read):
    (row,) = rows_of(read(f"path,labels,split\n1.jpg,dog,{given}\n"))
    assert row.split == split


def test_one_row_a_pair(read):
    content = "path,label,confidence\n1.jpg,dog;not split:3,0.5\n1.jpg,pet,\n"
    rows = rows_of(read(content))
    assert [row.positives for row in rows] == [(("dog;not split:3", 0.5),), (("pet", 1.0),)]
    assert {row.id for row in rows} == {"1.jpg"}


def test_json_lines(read):
    line = {"path": "1.jpg", "labels": ["a:0.5", {"name": "b", "confidence": 0.25}], "id": 7}
    more = {"path": "2.jpg", "labels": [], "negatives": ["b"], "split": "test"}
    source = read(json.dumps(line) + "\n\n" + json.dumps(more), "labels.jsonl")
    first, second = rows_of(source)
    assert first.positives == (("a:0.5", 1.0), ("b", 0.25))
    assert first.id == "7"
    assert (second.negatives, second.split) == (("b",), "test")
    assert second.origin == "labels.jsonl:3"


def test_json_lines_may_be_one_row_a_pair_too(read):
    lines = [
        {"path": "1.jpg", "label": "a", "confidence": 0.5},
        {"path": "1.jpg", "label": "b", "state": "negative"},
        {"path": "1.jpg", "labels": ["c", {"name": 3, "state": "unknown"}]},
    ]
    rows = rows_of(read("\n".join(map(json.dumps, lines)), "labels.jsonl"))
    assert [row.positives for row in rows] == [(("a", 0.5),), (), (("c", 1.0),)]
    assert [row.negatives for row in rows] == [(), ("b",), ()]


def test_a_state_column_says_positive_verified_negative_or_unknown(read):
    lines = ["dog,0.5,positive", "cat,,negative", "cow,,Unknown", "hen,0.2,", "pig,0,"]
    content = "path,label,confidence,state\n" + "".join(f"1.jpg,{line}\n" for line in lines)
    rows = rows_of(read(content))
    assert [row.positives for row in rows] == [(("dog", 0.5),), (), (), (("hen", 0.2),), ()]
    assert [row.negatives for row in rows] == [(), ("cat",), (), (), ("pig",)]


def test_without_a_taxonomy_the_classes_are_those_that_occur_sorted(read):
    source = read("path,labels,negatives\n1.jpg,dog;ant:0.5,bee\n")
    assert source.taxonomy.names == ("ant", "bee", "dog")
    assert source.taxonomy.depth() == 1


def test_windows_line_ends_and_a_byte_order_mark(read):
    (row,) = rows_of(read(b"\xef\xbb\xbfpath,labels\r\n1.jpg,dog\r\n"))
    assert row.positives == (("dog", 1.0),)


def test_a_quoted_name_may_hold_commas(read):
    (row,) = rows_of(read('path,labels\n1.jpg,"Clog, wooden;dog"\n'))
    assert row.positives == (("Clog, wooden", 1.0), ("dog", 1.0))


def test_an_unquoted_comma_is_a_reject_that_says_so(read):
    rows = rows_of(read("path,labels\n1.jpg,clog, wooden\n2.jpg,dog\n"))
    assert rows[0] == Reject(
        "labels.csv:2", "1.jpg", "3 cells, the header has 2 (quote names with commas)"
    )
    assert rows[1].id == "2.jpg"


def test_a_tab_separates_too(read):
    (row,) = rows_of(read("path\tlabels\n1.jpg\tclog, wooden\n", "labels.tsv"))
    assert row.positives == (("clog, wooden", 1.0),)


def test_only_a_trailing_number_is_a_confidence(read):
    (row,) = rows_of(read("path,labels\n1.jpg,/m/0:abc;ratio 16:9x;a:b:.5;c:1e-1\n"))
    assert row.positives == (("/m/0:abc", 1.0), ("ratio 16:9x", 1.0), ("a:b", 0.5), ("c", 0.1))


def test_a_class_whose_name_ends_like_a_confidence_keeps_its_name(read):
    (row,) = rows_of(read("path,labels\n1.jpg,16:9;16:9:0.5\n", classes=["16:9"]))
    assert row.positives == (("16:9", 1.0), ("16:9", 0.5))


def test_confidence_zero_says_verified_to_be_absent(read):
    (row,) = rows_of(read("path,labels\n1.jpg,dog;cat:0\n"))
    assert (row.positives, row.negatives) == ((("dog", 1.0),), ("cat",))


@pytest.mark.parametrize("path", ["../1.jpg", "a/../../1.jpg", "/etc/passwd", ".."])
def test_a_path_that_leaves_the_folder_is_rejected(path, read):
    reject, _ = rows_of(read(f"path,labels\n{path},dog\n2.jpg,dog\n"))
    reason = f"path {path!r} leaves the folder of images (--allow_outside_paths allows it)"
    assert reject == Reject("labels.csv:2", path, reason)


def test_dots_inside_the_folder_are_fine(read):
    (row,) = rows_of(read("path,labels\n./a/../1.jpg,dog\n"))
    assert row.reference == "1.jpg"


@pytest.mark.parametrize(
    "line, reason",
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"labels": ["a"]}', "no path"),
        ('{"path": 3, "labels": ["a"]}', "no path"),
        ('{"path": "1.jpg", "labels": "a"}', "labels 'a' is not a list"),
        ('{"path": "1.jpg", "labels": [[3]]}', "label [3] is neither a name nor"),
        (r'{"path": "1.jpg", "labels": ["\ud800"]}', r"label '\ud800' is neither a name nor"),
        ('{"path": "1.jpg", "labels": [], "negatives": [3]}', "is not a list of names"),
        (
            '{"path": "1.jpg", "labels": [{"name": "a", "confidence": "x"}]}',
            "confidence 'x' is not a number from 0 to 1",
        ),
        ('{"path": "1.jpg", "label": "a", "confidence": 1, "negatives": 3}', "is not a list"),
        (
            '{"path": "1.jpg", "labels": [{"name": "a", "state": "maybe"}]}',
            "state 'maybe' is none of positive, negative, unknown",
        ),
    ],
)
def test_a_bad_json_line_is_one_reject(line, reason, read):
    good = '{"path": "2.jpg", "labels": ["a"]}'
    reject, row = rows_of(read(f"{line}\n{good}\n", "labels.jsonl"))
    assert (reject.origin, row.id) == ("labels.jsonl:1", "2.jpg")
    assert reason in reject.reason


@pytest.mark.parametrize("confidence", ["high", "1.5", "-0.1", "nan", "0,5", "80%"])
def test_a_bad_confidence_is_a_reject(confidence, read):
    reject, _ = rows_of(read(f'path,label,confidence\n1.jpg,a,"{confidence}"\n2.jpg,a,1\n'))
    reason = f"confidence {confidence!r} is not a number from 0 to 1"
    assert reject == Reject("labels.csv:2", "1.jpg", reason)


def test_a_bad_confidence_after_a_colon_is_a_reject(read):
    reject, _ = rows_of(read("path,labels\n1.jpg,a:7\n2.jpg,a\n"))
    assert reject == Reject("labels.csv:2", "1.jpg", "confidence '7' is not a number from 0 to 1")


@pytest.mark.parametrize(
    "cells, reason",
    [
        ("a,1,maybe", "state 'maybe' is none of positive, negative, unknown"),
        ("a,0,positive", "label 'a' is positive with confidence 0"),
    ],
)
def test_a_bad_state_is_a_reject(cells, reason, read):
    reject, _ = rows_of(read(f"path,label,confidence,state\n1.jpg,{cells}\n2.jpg,a,1,\n"))
    assert reject == Reject("labels.csv:2", "1.jpg", reason)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"path,labels\n1.jpg,caf\xe9\n", r"labels.csv:2 is not UTF-8 \(byte 0xe9\)"),
        (b"", "has the columns none: a manifest needs a header"),
        (b"file,class\n1.jpg,dog\n", "has the columns file, class: a manifest needs"),
        (b"1.jpg,dog\n2.jpg,cat\n", "labels.csv:1 has the columns 1.jpg, dog: .* needs a header"),
        (b"path,labels,path\n1.jpg,dog,2.jpg\n", "each name once"),
        (b"path;labels\n1.jpg;dog\n", "has the columns path;labels: .* commas or tabs between"),
        (b"path,labels\n1.jpg,\n", "has no row with a label: a data set"),
        (b"path,labels\n../1.jpg,dog\n", r"no row with a label \(labels.csv:2: path '../1.jpg'"),
        (gzip.compress(b"path,labels\n1.jpg,dog\n", mtime=0)[:-9], "labels.csv.gz can't be read: "),
        (b"path,labels\n1.jpg,dog\n", "labels.csv.gz can't be read: Not a gzipped file"),
    ],
)
def test_a_file_that_is_no_manifest_is_one_clear_line(content, words, read):
    with pytest.raises(UserError, match=words):
        read(content, "labels.csv.gz" if "gz" in words else "labels.csv")


def test_a_json_array_is_one_clear_line(read):
    with pytest.raises(UserError, match="labels.json:2 begins a JSON array: write JSON Lines"):
        read('\n[\n{"path": "1.jpg", "labels": ["dog"]}\n]\n', "labels.json")


@pytest.mark.parametrize("ending, pack", [("gz", gzip.compress), ("XZ", lzma.compress)])
def test_a_manifest_may_be_compressed(ending, pack, read):
    (row,) = rows_of(read(pack("path,labels\nü 1.jpg,dog\n".encode()), f"labels.csv.{ending}"))
    assert (row.reference, row.positives) == ("ü 1.jpg", (("dog", 1.0),))
    (row,) = rows_of(read(pack(b'{"path": "1.jpg", "labels": [7]}'), f"labels.JSONL.{ending}"))
    assert row.positives == (("7", 1.0),)


def test_missing_files_and_folders_are_named(tmp_path, read):
    with pytest.raises(UserError, match=r"needs --manifest=FILE"):
        make_source(SourceOptions())
    with pytest.raises(UserError, match=r"no file at .*none\.csv"):
        make_source(SourceOptions(manifest=str(tmp_path / "none.csv")))
    read("path,labels\n1.jpg,dog\n")
    options = SourceOptions(manifest=str(tmp_path / "labels.csv"))
    for images in ("/nowhere", "/nowhere.tar"):
        with pytest.raises(UserError, match=f"--images='{images}' is not a folder"):
            make_source(options._replace(images=images))


def test_a_path_may_lead_into_a_tar(read, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "photos.tar").write_bytes(
        make_tar({"./a/1.jpg": b"first", "b.jpg": b"second"})
    )
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "folder.tar" / "3.jpg").write_bytes(b"third")
    paths = ["more/photos.tar/b.jpg", "more/photos.tar/a/1.jpg", "folder.tar/3.jpg"]
    lines = [f"{path},dog" for path in [*paths, "more/photos.tar/c.jpg", "none.tar/1.jpg"]]
    source = pickle.loads(pickle.dumps(read("\n".join(["path,labels", *lines]))))
    *rows, no_member, no_archive = rows_of(source)
    assert [row.id for row in rows] == paths
    assert [source.read(row).encoded for row in rows] == [b"second", b"first", b"third"]
    assert no_member.reason == f"no member 'c.jpg' in {tmp_path}/more/photos.tar"
    assert no_archive.reason == f"no archive at '{tmp_path}/none.tar'"


def test_images_may_be_one_tar(read, tmp_path):
    (tmp_path / "photos.tar").write_bytes(make_tar({"a/1.jpg": b"first"}))
    read("path,labels\na/1.jpg,dog\n")
    manifest, images = str(tmp_path / "labels.csv"), str(tmp_path / "photos.tar")
    source = make_source(SourceOptions(manifest=manifest, images=images))
    (row,) = rows_of(source)
    assert (row.id, source.read(row).encoded) == ("a/1.jpg", b"first")


def test_several_manifests_make_one_source(read, tmp_path):
    read("labels,path\ndog,1.jpg\n", "a.csv")
    read('{"path": "2.jpg", "labels": ["cat"]}', "b.jsonl")
    options = SourceOptions(manifest=f"{tmp_path}/*.csv,{tmp_path}/b.jsonl")
    assert [row.origin for row in rows_of(make_source(options))] == ["a.csv:2", "b.jsonl:1"]


def link_photos(tmp_path):
    """images/ with a link to a file, a link to a folder, and a file."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.jpg").write_bytes(b"outside")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "real.jpg").write_bytes(b"inside")
    (tmp_path / "images" / "link.jpg").symlink_to(tmp_path / "outside" / "1.jpg")
    (tmp_path / "images" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "a.tar").write_bytes(make_tar({"1.jpg": b"outside"}))
    (tmp_path / "images" / "a.tar").symlink_to(tmp_path / "outside" / "a.tar")


LINKS = ["link.jpg", "folder/1.jpg", "a.tar/1.jpg"]


def test_links_are_refused_and_other_files_are_not(tmp_path):
    link_photos(tmp_path)
    lines = "".join(f"{path},dog\n" for path in ["real.jpg", *LINKS])
    (tmp_path / "labels.csv").write_text("path,labels\n" + lines)
    options = SourceOptions(str(tmp_path / "labels.csv"), str(tmp_path / "images"))
    source = make_source(options)
    real, *linked = rows_of(source)
    assert source.read(real).encoded == b"inside"
    for row in linked:
        with pytest.raises(ValueError, match="is a link or below one .--allow_outside_paths"):
            source.read(row)


def test_a_flag_allows_links_absolute_paths_and_ways_up(tmp_path):
    link_photos(tmp_path)
    paths = [*LINKS, "../outside/1.jpg", f"{tmp_path}/outside/1.jpg", "../outside/a.tar/1.jpg"]
    lines = "".join(f"{path},dog\n" for path in paths)
    (tmp_path / "labels.csv").write_text("path,labels\n" + lines)
    options = SourceOptions(str(tmp_path / "labels.csv"), str(tmp_path / "images"))
    source = make_source(options._replace(allow_outside_paths=True))
    rows = rows_of(source)
    assert [row.id for row in rows] == paths
    assert {source.read(row).encoded for row in rows} == {b"outside"}


def test_a_folder_of_images_may_itself_be_a_link(tmp_path):
    link_photos(tmp_path)
    (tmp_path / "labels.csv").write_text("path,labels\n1.jpg,dog\n")
    images = str(tmp_path / "images" / "folder")
    source = make_source(SourceOptions(str(tmp_path / "labels.csv"), images))
    (row,) = rows_of(source)
    assert source.read(row).encoded == b"outside"


def save_arrays(tmp_path, paths, labels, name="train"):
    np.save(tmp_path / f"{name}_images.npy", paths)
    np.save(tmp_path / f"{name}_labels.npy", labels)
    return f"{tmp_path}/{name}_images.npy,{tmp_path}/{name}_labels.npy"


def test_numpy_pairs_of_one_label_an_image(tmp_path):
    train = save_arrays(tmp_path, np.array(["1.jpg", "b/2.jpg", "3.jpg"]), np.array([10, 9, -1]))
    val = save_arrays(tmp_path, np.array(["4.jpg"]), np.array([9], np.uint8), "val")
    source = make_source(SourceOptions(f"{train},{val}"))
    rows = rows_of(pickle.loads(pickle.dumps(source)))
    assert source.taxonomy.names == ("9", "10")
    assert [row.positives for row in rows] == [(("10", 1.0),), (("9", 1.0),), (), (("9", 1.0),)]
    assert [row.split for row in rows] == ["train", "train", "train", "validation"]
    assert [row.reference for row in rows] == ["1.jpg", "b/2.jpg", "3.jpg", "4.jpg"]
    assert rows[1].origin == "train_images.npy:1"


def test_numpy_pairs_of_one_column_a_class(tmp_path):
    # As VISSL's create_voc_data_files.py writes them: 1 there, 0 not there, -1 ignored.
    labels = np.array([[1, 0, -1], [-1, 1, 1]], np.int32)
    pair = save_arrays(tmp_path, np.array(["1.jpg", "2.jpg"]), labels)
    first, second = rows_of(make_source(SourceOptions(pair)))
    assert (first.positives, first.negatives) == ((("0", 1.0),), ("1",))
    assert (second.positives, second.negatives) == ((("1", 1.0), ("2", 1.0)), ())


@pytest.mark.parametrize(
    "paths, labels, words",
    [
        (["1.jpg"], [1, 2], r"<U5 \(1,\), .* int64 \(2,\): expected \[N\] paths"),
        (["1.jpg"], [0.5], r"float64 \(1,\): expected \[N\] paths, and \[N\] or \[N, C\]"),
        ([1], [1], r"holds int64 \(1,\)"),
        (np.array(["1.jpg"], object), [1], "is no plain NumPy array .*: save it with np.save"),
    ],
)
def test_arrays_of_another_form_are_one_clear_line(paths, labels, words, tmp_path):
    pair = save_arrays(tmp_path, np.array(paths), np.array(labels))
    with pytest.raises(UserError, match=words):
        make_source(SourceOptions(pair))


def test_numpy_files_come_in_pairs(tmp_path):
    pair = save_arrays(tmp_path, np.array(["1.jpg"]), np.array([1]))
    with pytest.raises(UserError, match="NumPy files come in pairs, as images.npy,labels.npy"):
        make_source(SourceOptions(pair.split(",")[0]))


def test_a_source_travels_to_workers(read, tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"pixels")
    source = pickle.loads(pickle.dumps(read("path,labels\n1.jpg,dog\n")))
    (row,) = rows_of(source)
    assert source.read(row).encoded == b"pixels"
