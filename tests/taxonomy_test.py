import pathlib
import pickle
import subprocess
import sys
import time

import pytest

from revisit.data.taxonomy import load_taxonomy, make_taxonomy, save_taxonomy
from revisit.errors import UserError

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

# A liger has two parents, which meet again above.
NAMES = ("animal", "cat", "lion", "tiger", "liger", "stone")
EDGES = (
    ("cat", "animal"),
    ("lion", "cat"),
    ("tiger", "cat"),
    ("liger", "lion"),
    ("liger", "tiger"),
)


@pytest.fixture
def taxonomy():
    return make_taxonomy(NAMES, EDGES)


def test_ids_are_places_in_names(taxonomy):
    assert taxonomy.ids == {"animal": 0, "cat": 1, "lion": 2, "tiger": 3, "liger": 4, "stone": 5}
    assert taxonomy.num_classes == 6


def test_ancestors_come_nearest_first_and_once(taxonomy):
    assert taxonomy.ancestors(4) == (2, 3, 1, 0)
    assert taxonomy.ancestors(0) == ()


def test_descendants_come_once(taxonomy):
    assert taxonomy.descendants(1) == (2, 3, 4)
    assert taxonomy.descendants(5) == ()


def test_close_adds_every_ancestor(taxonomy):
    assert taxonomy.close([5, 4, 4]) == (0, 1, 2, 3, 4, 5)
    assert taxonomy.close([]) == ()


def test_shape(taxonomy):
    assert taxonomy.leaves() == (4, 5)
    assert taxonomy.roots() == (0, 5)
    assert taxonomy.depth() == 4
    assert taxonomy.children[1] == (2, 3)


def test_an_edge_given_twice_counts_once():
    assert make_taxonomy(["a", "b"], [("a", "b"), ("a", "b")]).parents == ((1,), ())


def test_a_cycle_is_named_with_its_path():
    edges = [("a", "b"), ("b", "c"), ("c", "a")]
    with pytest.raises(UserError, match=r"cycle: ('\w' is a ){3}'\w'; remove"):
        make_taxonomy(["a", "b", "c"], edges)


def test_a_class_is_not_its_own_parent():
    with pytest.raises(UserError, match="'a' is a 'a'"):
        make_taxonomy(["a"], [("a", "a")])


def test_an_unknown_name_is_named():
    with pytest.raises(UserError, match="'a' -> 'x' names an unknown class: 'x'"):
        make_taxonomy(["a"], [("a", "x")])


def test_a_repeated_name_is_named():
    with pytest.raises(UserError, match="names class 'a' 2 times"):
        make_taxonomy(["a", "b", "a"], [])


def test_no_classes_is_an_error():
    with pytest.raises(UserError, match="no classes"):
        make_taxonomy([], [])


def test_saved_and_loaded_is_the_same(taxonomy, tmp_path):
    titled = make_taxonomy(NAMES, EDGES, [name.title() for name in NAMES])
    save_taxonomy(titled, tmp_path / "taxonomy.json")
    assert load_taxonomy(tmp_path / "taxonomy.json") == titled
    assert titled.titles[0] == "Animal"


def test_pickled_is_the_same_without_what_was_cached(taxonomy):
    fresh = len(pickle.dumps(taxonomy))
    taxonomy.ancestors(4)
    assert pickle.loads(pickle.dumps(taxonomy)) == taxonomy
    assert len(pickle.dumps(taxonomy)) == fresh


def test_fingerprint_is_of_names_and_edges_alone(taxonomy):
    titled = make_taxonomy(NAMES, EDGES, ["x"] * 6)
    assert titled.fingerprint() == taxonomy.fingerprint()
    assert make_taxonomy(NAMES, EDGES[1:]).fingerprint() != taxonomy.fingerprint()


@pytest.mark.parametrize("content", ["", "[]", '{"classes": 3}', '{"classes": [{"title": "x"}]}'])
def test_a_file_that_is_no_taxonomy_is_one_clear_line(content, tmp_path):
    (tmp_path / "taxonomy.json").write_text(content)
    with pytest.raises(UserError, match="is not a taxonomy file"):
        load_taxonomy(tmp_path / "taxonomy.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no taxonomy at .*nowhere\.json"):
        load_taxonomy(tmp_path / "nowhere.json")


def test_82000_classes_take_seconds():
    names = [f"c{id_}" for id_ in range(82_000)]
    edges = [(f"c{id_}", f"c{id_ // 3}") for id_ in range(1, 82_000)]
    start = time.process_time()
    taxonomy = make_taxonomy(names, edges)
    assert taxonomy.close(range(82_000)) == tuple(range(82_000))
    assert taxonomy.depth() == 12
    assert time.process_time() - start < 10


def run_lint(path):
    command = [sys.executable, "-m", "data_prep.taxonomy", f"--lint={path}"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_lint_prints_the_shape(tmp_path):
    (tmp_path / "classes.csv").write_text("child,parent\nlion,cat\ntiger,cat\nliger,lion\n")
    result = run_lint(tmp_path / "classes.csv")
    assert result.returncode == 0
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == list("42301")
    assert "warning" not in result.stdout


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("cycle.csv", "child,parent\na,b\nb,a\n", "cycle: 'a' is a 'b' is a 'a'"),
        ("twice.yaml", "a: {b: , b: }\n", "'b' stands twice"),
        (
            "unknown.json",
            '{"classes": [{"name": "a", "parents": ["z"]}]}',
            "unknown name: 'z' in the edge 'a' -> 'z'",
        ),
        (
            "twice.json",
            '{"classes": [{"name": "a"}, {"name": "a"}]}',
            "duplicate name: 'a' 2 times",
        ),
    ],
)
def test_lint_of_a_bad_file_is_one_line_and_status_1(name, content, words, tmp_path):
    (tmp_path / name).write_text(content)
    result = run_lint(tmp_path / name)
    assert result.returncode == 1
    assert words in result.stderr.replace("'b' is a 'a' is a 'b'", "'a' is a 'b' is a 'a'")
    assert len(result.stderr.splitlines()) == 1
