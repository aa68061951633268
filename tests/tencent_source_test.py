"""Tencent ML-Images' lists as a source."""

import pathlib
import pickle

import pytest

from data_prep.sources.source import Reject, SourceOptions
from data_prep.sources.tencent import make_source
from revisit.errors import UserError

DICTIONARY = (
    "category_index\tcategory_id\tindex_of_parent_category\tcategory name\n"
    "0\tn1\t-1\tthing\n1\tn2\t0\tdog, hound\n"
)


@pytest.fixture
def read(tmp_path):
    (tmp_path / "classes.txt").write_text(DICTIONARY)
    (tmp_path / "photos" / "a").mkdir(parents=True)

    def read(content, name="train_urls.txt"):
        (tmp_path / name).write_text(content)
        return make_source(
            SourceOptions(
                manifest=str(tmp_path / name),
                images=str(tmp_path / "photos"),
                taxonomy=str(tmp_path / "classes.txt"),
            )
        )

    return read


def test_any_white_space_separates(read):
    rows = list(read("https://x.org/y/1_o.jpg\t1:0.8\t0:1\na/2.jpg 1:1.0   0:0.5\n").rows())
    assert [row.id for row in rows] == ["1_o.jpg", "a/2.jpg"]
    assert rows[0].positives == (("n2", 0.8), ("n1", 1.0))
    assert rows[1].positives == (("n2", 1.0), ("n1", 0.5))
    assert (rows[0].split, rows[1].origin) == ("train", "train_urls.txt:2")


def test_a_picture_is_found_by_its_path_or_its_name(read, tmp_path):
    source = pickle.loads(pickle.dumps(read("https://x.org/1.jpg 1:1\na/2.jpg 1:1\nb/3.jpg 1:1\n")))
    (tmp_path / "photos" / "1.jpg").write_bytes(b"one")
    (tmp_path / "photos" / "a" / "2.jpg").write_bytes(b"two")
    (tmp_path / "photos" / "3.jpg").write_bytes(b"three")
    assert [source.read(row).encoded for row in source.rows()] == [b"one", b"two", b"three"]
    (tmp_path / "photos" / "1.jpg").unlink()
    with pytest.raises(ValueError, match="no file in the folders of images: 1.jpg"):
        source.read(next(source.rows()))


@pytest.mark.parametrize(
    "line, reason",
    [
        ("1.jpg 2:1", "unknown class index 2: the dictionary has 2"),
        ("1.jpg 1", "not index:confidence: '1'"),
        ("1.jpg dog:1", "not index:confidence: 'dog:1'"),
        ("1.jpg 1:high", "not index:confidence: '1:high'"),
        ("../1.jpg 1:1", "leaves the folder of images"),
    ],
)
def test_a_bad_line_is_a_reject(line, reason, read):
    reject, row = read(f"{line}\n2.jpg 1:1\n").rows()
    assert reject.origin == "train_urls.txt:1"
    assert reason in reject.reason
    assert row.id == "2.jpg"


def test_what_is_missing_is_named(tmp_path, read):
    with pytest.raises(UserError, match="needs --manifest=LISTS and --taxonomy="):
        make_source(SourceOptions(manifest="x"))
    read("1.jpg 1:1\n")
    options = SourceOptions(
        manifest=str(tmp_path / "train_urls.txt"), taxonomy=str(tmp_path / "classes.txt")
    )
    with pytest.raises(UserError, match="--source=tencent needs --images=FOLDERS"):
        make_source(options)
    with pytest.raises(UserError, match="--images: '.*classes.txt' is not a folder"):
        make_source(options._replace(images=str(tmp_path / "classes.txt")))


# Its classes would have other indices, and nobody would notice.
def test_another_taxonomy_than_the_dictionary_is_one_clear_line(tmp_path, read):
    read("1.jpg 1:1\n")
    (tmp_path / "classes.txt").write_text("child,parent\ndog,animal\n")
    with pytest.raises(UserError, match="classes.txt:1 is not the header of Tencent's dictionary"):
        read("1.jpg 1:1\n")


@pytest.mark.parametrize("name", ["train_urls_tiny.txt", "train_im_list_tiny.txt"])
def test_the_real_lists_hold_what_their_lines_say(name, shared_data):
    root = shared_data("02_label-hierarchies", "tencent-ml-images")
    dictionary = root / "dictionary_and_semantic_hierarchy.txt"
    source = make_source(
        SourceOptions(
            manifest=str(root / name), images=str(root / "images"), taxonomy=str(dictionary)
        )
    )
    assert source.taxonomy.num_classes == 11_166
    lines = [line.split() for line in (root / name).read_text().splitlines()]
    classes = [line.split("\t")[1] for line in dictionary.read_text().splitlines()[1:]]
    rows = list(source.rows())
    assert not any(isinstance(row, Reject) for row in rows)
    assert [row.id for row in rows] == [pathlib.Path(line[0]).name for line in lines]
    for row, (_, *cells) in zip(rows, lines, strict=True):
        pairs = [cell.split(":") for cell in cells]
        assert row.positives == tuple((classes[int(i)], float(c)) for i, c in pairs)


def test_real_pictures_are_found_by_their_names(shared_data):
    root = shared_data("02_label-hierarchies", "tencent-ml-images")
    source = make_source(
        SourceOptions(
            manifest=str(root / "im_list_for_classification.txt"),
            images=str(root / "images"),
            taxonomy=str(root / "dictionary_and_semantic_hierarchy.txt"),
        )
    )
    missing, *rows = source.rows()
    assert all(source.read(row).encoded.startswith(b"\xff\xd8") for row in rows)
    with pytest.raises(ValueError, match="no file in the folders of images: data/images/im_0.jpg"):
        source.read(missing)
