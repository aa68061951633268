import json
import lzma
import re

import pytest

from data_prep.lint import Finding, check_findings, format_findings, lint, read_counts
from data_prep.sources.taxonomies import read_classes
from revisit.data.taxonomy import ClassGraph
from revisit.errors import UserError

NAMES = ["animal", "cat", "dog", "siamese", "stone"]
EDGES = [("cat", "animal"), ("dog", "animal"), ("siamese", "cat")]


def found(names, edges, **more):
    return {finding.check: finding.cases for finding in lint(ClassGraph(names, edges), **more)}


def test_a_tree_is_clean():
    assert lint(ClassGraph(NAMES[:4], EDGES)) == []


@pytest.mark.parametrize(
    ("names", "edges", "check", "cases"),
    [
        (["a", "b"], [("a", "b"), ("b", "a")], "cycle", {"'a' is a 'b' is a 'a'"}),
        (["r", "a"], [("a", "a"), ("a", "r")], "cycle", {"'a' is a 'a'"}),
        (["a", "b", "a"], [("a", "b")], "duplicate name", {"'a' 2 times"}),
        (["a"], [("a", "z")], "unknown name", {"'z' in the edge 'a' -> 'z'"}),
        (
            ["a", "b", "c"],
            [("a", "b"), ("b", "a"), ("c", "a")],
            "unreachable: below no root",
            {"'a'", "'b'", "'c'"},
        ),
    ],
)
def test_what_makes_closures_wrong_is_an_error(names, edges, check, cases):
    findings = [each for each in lint(ClassGraph(names, edges)) if each.is_error]
    (finding,) = [each for each in findings if each.check == check]
    turned = {"'b' is a 'a' is a 'b'": "'a' is a 'b' is a 'a'"}
    assert {turned.get(case, case) for case in finding.cases} == cases


def test_every_cycle_is_found_with_its_path():
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "d"), ("a", "root")]
    cycles = found(["root", *"abcde"], edges)["cycle"]
    walked = [re.findall(r"'(\w)'", cycle) for cycle in cycles]
    assert sorted(map(len, walked)) == [3, 4]
    for walk in walked:
        assert walk[0] == walk[-1]
        assert set(zip(walk, walk[1:])) <= set(edges)


def test_what_people_mostly_did_not_mean_is_a_warning():
    names = ["animal", "cat", "Cat", "pet", "stone"]
    edges = [("cat", "animal"), ("cat", "pet"), ("Cat", "animal")]
    graph = ClassGraph(names, edges, ["animal", "cat", "cat", "pet", "stone"])
    assert lint(graph) == [
        Finding(False, "names that differ in case or spaces", ("'Cat' and 'cat'",)),
        Finding(False, "title of several classes", ("'cat' 2 times",)),
        Finding(False, "several parents", ("'cat' is a 'animal' and a 'pet'",)),
        Finding(False, "orphan: no parent, no child", ("'stone'",)),
        Finding(False, "further root", ("'pet'",)),
    ]


@pytest.mark.parametrize("siamese_counts_above", [0, 7])
def test_counts_show_empty_and_small_classes(siamese_counts_above):
    """Whether the counts of ancestors have those of their descendants in them or not."""
    counts = {"siamese": 7, "cat": siamese_counts_above, "animal": siamese_counts_above, "zebra": 1}
    findings = found([*NAMES, "tool", "nail"], [*EDGES, ("nail", "tool")], counts=counts)
    assert findings["label outside the taxonomy"] == ("'zebra'",)
    assert findings["abstract class without images"] == ("'tool'",)
    assert findings["leaf with few images"] == ("'dog' 0", "'stone' 0", "'nail' 0")
    findings = found(NAMES, EDGES, counts=counts, min_images=8)
    assert "'siamese' 7" in findings["leaf with few images"]


def test_the_table_shows_some_cases_and_counts_all():
    findings = [Finding(True, "cycle", ("x",)), Finding(False, "orphan", ("a", "b", "c"))]
    assert format_findings(findings, 2).splitlines() == [
        "  ERROR    cycle   1  x",
        "  warning  orphan  3  a; b; ...",
    ]


def test_errors_alone_end_in_a_user_error():
    check_findings([Finding(False, "orphan", ("a",))], "f.csv")
    with pytest.raises(UserError, match="f.csv makes closures wrong: cycle: x$"):
        check_findings([Finding(True, "cycle", ("x", "y"))], "f.csv")


def test_counts_come_from_a_table_or_a_data_set(tmp_path, tiny_data):
    (tmp_path / "counts.csv").write_text('cat,3\n"dog, hound",0\n')
    assert read_counts(str(tmp_path / "counts.csv")) == {"cat": 3, "dog, hound": 0}
    (tmp_path / "counts.csv").write_text("cat,many\n")
    with pytest.raises(UserError, match="counts.csv:1: expected a class and its number"):
        read_counts(str(tmp_path / "counts.csv"))
    counts = read_counts(str(tiny_data["single"]))
    assert sum(counts.values()) == 136


def test_wordnet_is_clean_but_for_its_several_parents(shared_data, tmp_path):
    packed = shared_data("02_label-hierarchies", "wordnet-3.0", "data.noun.xz")
    text = lzma.decompress(packed.read_bytes()).decode()
    (tmp_path / "data.noun").write_text(text)
    graph = read_classes(str(tmp_path / "data.noun"))
    findings = {finding.check: finding for finding in lint(graph)}
    assert not any(finding.is_error for finding in findings.values())
    several = sum(
        len(re.findall(r" @i? \d{8} n 0000", line)) > 1
        for line in text.splitlines()
        if line[0] != " "
    )
    assert len(findings["several parents"].cases) == several
    assert findings.keys() == {"several parents", "title of several classes"}


def test_open_images_is_a_graph_written_as_a_tree(shared_data):
    path = shared_data("02_label-hierarchies", "open-images", "bbox_labels_600_hierarchy.json")
    graph = read_classes(str(path))
    edges = set()

    def walk(node):
        for child in node.get("Subcategory", []):
            edges.add((child["LabelName"], node["LabelName"]))
            walk(child)
        for part in node.get("Part", []):
            walk(part)

    walk(json.loads(path.read_text()))
    assert len(graph.names) == len(set(graph.names)) == 602
    assert set(graph.edges) == edges
    parents = [parent for child, parent in edges]
    children = [child for child, parent in edges]
    several = {child for child in children if children.count(child) > 1}
    findings = {finding.check: finding for finding in lint(graph)}
    assert len(findings["several parents"].cases) == len(several)
    assert not any(finding.is_error for finding in findings.values())
    assert "/m/0bl9f" in parents


def test_tencent_has_four_roots_and_repeated_titles(shared_data):
    folder = "02_label-hierarchies", "tencent-ml-images"
    path = shared_data(*folder, "dictionary_and_semantic_hierarchy.txt")
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    graph = read_classes(str(path))
    assert graph.names == [row[1] for row in rows]
    assert graph.titles == [row[3] for row in rows]
    assert graph.edges == [(row[1], rows[int(row[2])][1]) for row in rows if row[2] != "-1"]
    findings = {finding.check: len(finding.cases) for finding in lint(graph)}
    titles = [row[3] for row in rows]
    assert findings == {
        "title of several classes": len({title for title in titles if titles.count(title) > 1}),
        "further root": 3,
    }
