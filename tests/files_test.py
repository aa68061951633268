import pytest

from data_prep.sources.files import Span, find_files, read_span, whole_file
from data_prep.sources.source import find_split
from revisit.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ["a-00.tar", "a-01.tar", "b.csv", "c.csv", "odd,name[1].csv"]:
        (tmp_path / name).write_bytes(b"0123456789")
    return tmp_path


@pytest.mark.parametrize(
    "patterns, found",
    [
        ("b.csv", ["b.csv"]),
        ("c.csv,b.csv", ["c.csv", "b.csv"]),
        ("[bc].csv", ["b.csv", "c.csv"]),
        ("a-{00..01}.tar", ["a-00.tar", "a-01.tar"]),
        ("{c,b}.csv,a-*.tar", ["c.csv", "b.csv", "a-00.tar", "a-01.tar"]),
        ("*.csv,b.csv", ["b.csv", "c.csv", "odd,name[1].csv"]),
        ("odd,name[1].csv", ["odd,name[1].csv"]),
    ],
)
def test_a_flag_names_files_by_pattern(patterns, found, folder):
    assert find_files(patterns, "--manifest") == found


@pytest.mark.parametrize("pattern", ["a-{00..02}.tar", "b.csv,a-02.tar", "a-02*.tar,b.csv"])
def test_a_file_that_is_not_there_is_named(pattern, folder):
    with pytest.raises(UserError, match=r"--images: no file at 'a-02\*?\.tar'"):
        find_files(pattern, "--images")


def test_a_span_is_a_piece_of_a_file(folder):
    assert read_span(Span("b.csv", 2, 3)) == b"234"
    assert read_span(whole_file("b.csv")) == b"0123456789"


def test_a_file_that_ends_too_early_is_named(folder):
    with pytest.raises(ValueError, match=r"b\.csv ends before byte 12"):
        read_span(Span("b.csv", 2, 10))


@pytest.mark.parametrize(
    "name, split",
    [
        ("train", "train"),
        ("cc12m-train-0004.tar", "train"),
        ("val2017", "validation"),
        ("Valid", "validation"),
        ("x_test_images.npy", "test"),
        ("trainer-000.tar", None),
        ("000.tar", None),
    ],
)
def test_a_name_tells_its_split_by_a_word(name, split):
    assert find_split(name) == split
