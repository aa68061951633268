import json
import pickle

import pytest

from data_prep.sources.manifest import make_source
from data_prep.sources.source import Reject, SourceOptions
from revisit.errors import UserError


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
    (row,) = rows_of(read("path,labels\na/1.jpg,dog; pet:0.7\n"))
    assert row.positives == (("dog", 1.0), ("pet", 0.7))
    assert (row.id, row.reference, row.origin) == ("a/1.jpg", "a/1.jpg", "labels.csv:2")


def test_columns_in_any_order_and_case(read):
    content = "Split,negatives,LABELS,id,path\nvalidation,cat;cow,dog,first,1.jpg\n"
    (row,) = rows_of(read(content))
    assert row.id == "first"
    assert row.split == "validation"
    assert row.negatives == ("cat", "cow")


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
    assert reject == Reject("labels.csv:2", path, f"path {path!r} leaves the folder of images")


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
        ('{"path": "1.jpg", "labels": [3]}', "label 3 is neither a name nor"),
        ('{"path": "1.jpg", "labels": [], "negatives": [3]}', "is not a list of names"),
        ('{"path": "1.jpg", "labels": [{"name": "a", "confidence": "x"}]}', "could not convert"),
    ],
)
def test_a_bad_json_line_is_one_reject(line, reason, read):
    good = '{"path": "2.jpg", "labels": ["a"]}'
    reject, row = rows_of(read(f"{line}\n{good}\n", "labels.jsonl"))
    assert (reject.origin, row.id) == ("labels.jsonl:1", "2.jpg")
    assert reason in reject.reason


def test_a_bad_confidence_cell_is_a_reject(read):
    reject, _ = rows_of(read("path,label,confidence\n1.jpg,a,high\n2.jpg,a,1\n"))
    assert "could not convert string to float: 'high'" in reject.reason


@pytest.mark.parametrize(
    "content, words",
    [
        (b"path,labels\n1.jpg,caf\xe9\n", r"labels.csv:2 is not UTF-8 \(byte 0xe9\)"),
        (b"", "has the columns none: a manifest needs a header"),
        (b"file,class\n1.jpg,dog\n", "has the columns file, class: a manifest needs"),
        (b"path,labels\n1.jpg,\n", "has no row with a label"),
    ],
)
def test_a_file_that_is_no_manifest_is_one_clear_line(content, words, read):
    with pytest.raises(UserError, match=words):
        read(content)


def test_missing_files_and_folders_are_named(tmp_path, read):
    with pytest.raises(UserError, match=r"needs --manifest=FILE"):
        make_source(SourceOptions())
    with pytest.raises(UserError, match=r"no file at .*none\.csv"):
        make_source(SourceOptions(manifest=str(tmp_path / "none.csv")))
    read("path,labels\n1.jpg,dog\n")
    options = SourceOptions(manifest=str(tmp_path / "labels.csv"), images="/nowhere")
    with pytest.raises(UserError, match="--images='/nowhere' is not a folder"):
        make_source(options)


def test_a_source_travels_to_workers(read, tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"pixels")
    source = pickle.loads(pickle.dumps(read("path,labels\n1.jpg,dog\n")))
    (row,) = rows_of(source)
    assert source.read(row).encoded == b"pixels"
