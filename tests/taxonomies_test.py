import lzma

import pytest

from data_prep.examples.tiny_imagenet import Synset, read_wordnet
from data_prep.sources.taxonomies import read_taxonomy
from revisit.data.taxonomy import make_taxonomy, save_taxonomy
from revisit.errors import UserError


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
    ],
)
def test_every_form_gives_the_same_edges(name, content, read):
    assert edges(read(name, content)) == {("cat", "animal"), ("dog", "animal"), ("cat", "pet")}


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
