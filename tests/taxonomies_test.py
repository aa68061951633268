import lzma

import pytest

from data_prep.sources.taxonomies import read_taxonomy
from data_prep.sources.wordnet import Synset, read_wordnet
from revisit.data.taxonomy import make_taxonomy, save_taxonomy
from revisit.errors import UserError

TENCENT = "category_index\tcategory_id\tindex_of_parent_category\tcategory name\n"
OPEN_IMAGES = """{"LabelName": "/m/animal", "Subcategory": [
    {"LabelName": "/m/pet", "Subcategory": [{"LabelName": "/m/cat"}]},
    {"LabelName": "/m/cat", "Part": [{"LabelName": "/m/paw"}]}]}"""


@pytest.fixture
def read(tmp_path):
    def read(name, content):
        (tmp_path / name).write_bytes(content.encode())
        return read_taxonomy(str(tmp_path / name))

    return read


def edges(taxonomy):
    names = taxonomy.names
    return {
        (names[child], names[parent])
        for child, parents in enumerate(taxonomy.parents)
        for parent in parents
    }


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.csv", "child,parent\ncat,animal\ndog,animal\ncat,pet\n"),
        ("a.csv", "Parent,Child\r\nanimal,cat\r\nanimal,dog\r\npet,cat\r\n"),
        ("a.csv", "cat,animal\ndog,animal\ncat,pet"),
        ("a.tsv", "cat\tanimal\ndog\tanimal\ncat\tpet\n"),
        ("a.txt", "\ufeffcat\tanimal\n\ndog\tanimal\ncat\tpet\n"),
        ("a.yaml", "animal:\n  cat:\n  dog:\npet: [cat]\n"),
        ("a.yml", "animal: [cat, dog]\npet:\n  - cat: {}\n"),
        (
            "a.yaml",
            '{"classes": [{"name": "cat", "parents": ["animal", "pet"]}, {"name": "pet"}, '
            '{"name": "dog", "parents": ["animal"]}, {"name": "animal"}]}',
        ),
    ],
)
def test_every_form_gives_the_same_edges(name, content, read):
    assert edges(read(name, content)) == {("cat", "animal"), ("dog", "animal"), ("cat", "pet")}


def test_a_name_in_several_places_of_open_images_has_several_parents(read):
    taxonomy = read("hierarchy.json", OPEN_IMAGES)
    assert read("hierarchy.yaml", OPEN_IMAGES) == taxonomy
    assert set(taxonomy.names) == {"/m/animal", "/m/pet", "/m/cat", "/m/paw"}
    assert edges(taxonomy) == {
        ("/m/pet", "/m/animal"),
        ("/m/cat", "/m/animal"),
        ("/m/cat", "/m/pet"),
    }


def test_is_a_of_imagenet_has_the_parent_first(read):
    taxonomy = read("wordnet.is_a.txt", "n00000001 n00000002\r\nn00000002 n00000003\r\n")
    assert edges(taxonomy) == {("n00000002", "n00000001"), ("n00000003", "n00000002")}


def test_ids_of_tencent_are_its_indices(read):
    taxonomy = read("a.txt", TENCENT + "0\tn7\t-1\tthing\n1\tn3\t0\tdog, hound\n")
    assert taxonomy.names == ("n7", "n3")
    assert taxonomy.titles == ("thing", "dog, hound")
    assert taxonomy.parents == ((), (0,))


def test_titles_and_roots_in_a_table(read):
    taxonomy = read("a.csv", 'child,parent,title\nn1,n0,"dog, hound"\nn0,,animal\nn2,,stone\n')
    assert taxonomy.names == ("n1", "n0", "n2")
    assert taxonomy.titles == ("dog, hound", "animal", "stone")
    assert taxonomy.roots() == (1, 2)


def test_names_in_yaml_are_what_is_written(read):
    assert read("a.yaml", "on: [no, 1.10, null]\n").names == ("on", "no", "1.10", "null")


def test_a_saved_taxonomy_is_a_form_too(tmp_path):
    taxonomy = make_taxonomy(["b", "a"], [("a", "b")])
    save_taxonomy(taxonomy, tmp_path / "taxonomy.json")
    assert read_taxonomy(str(tmp_path / "taxonomy.json")) == taxonomy


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.csv", "cat,animal,3\n", "a.csv:1 has 3 cells: expected an edge, child,parent"),
        ("a.csv", "child,parent\ncat\n", "a.csv:2 has 1 cells: expected child,parent"),
        ("a.csv", "child,parent\n,cat\n", "a.csv:2 has no child"),
        ("a.csv", "", "has 0 cells"),
        ("a.yaml", "a: [b\n", "is not a YAML tree"),
        ("a.yaml", "a: &x [b: *x]\n", "recursive"),
        ("a.yaml", "", "no classes"),
        (
            "a.yaml",
            "child,parent\ndog,animal\n",
            "a.yaml is text, not a YAML tree: name a table of",
        ),
        ("a.json", '{"LabelName": "/m/1", "Subcategory": [{}]}', "is not a taxonomy in JSON"),
        ("a.json", "[1", "is not a taxonomy in JSON"),
        ("a.txt", "n00000001 n00000002\nn00000001\n", "a.txt:2 has 1 ids: expected those of"),
        ("data.noun", "00000001 03 n 02 entity\n", "data.noun:1 is not a line of WordNet's"),
        ("a.txt", TENCENT + "0\tn1\t-1\tthing\n2\tn2\t0\tdog\n", "a.txt:3: expected .*, index 1"),
        ("a.txt", TENCENT + "0\tn1\t7\tthing\n", "unknown class: 'index 7'"),
        ("a.xls", "x", r"ends in one of \.csv"),
    ],
)
def test_a_bad_file_is_one_clear_line(name, content, words, read):
    with pytest.raises(UserError, match=words) as caught:
        read(name, content)
    assert "Traceback" not in str(caught.value)


def test_wordnet_lines_give_titles_and_both_kinds_of_parents(tmp_path):
    lines = (
        "  1 This software and database is being provided\n"
        "00002137 03 n 02 abstraction 0 abstract_entity 0 002 @ 00001740 n 0000 ~ 00023100 n 0000"
        " | a general concept\n"
        "11508382 19 n 01 Sun_King 0 002 @i 10000000 n 0000 @ 09999999 n 0000 | x\n"
    )
    (tmp_path / "data.noun").write_text(lines)
    assert read_wordnet(str(tmp_path / "data.noun")) == {
        "n00002137": Synset("abstraction", ("n00001740",)),
        "n11508382": Synset("Sun King", ("n10000000", "n09999999")),
    }


def test_wordnet_whole(shared_data, tmp_path):
    packed = shared_data("02_label-hierarchies", "wordnet-3.0", "data.noun.xz")
    (tmp_path / "data.noun").write_bytes(lzma.decompress(packed.read_bytes()))
    wordnet = read_wordnet(str(tmp_path / "data.noun"))
    pairs = [(wnid, parent) for wnid, synset in wordnet.items() for parent in synset.parents]
    assert (len(wordnet), len(pairs)) == (82_115, 84_427)
    taxonomy = make_taxonomy(list(wordnet), pairs)
    assert len(taxonomy.roots()) == 1
