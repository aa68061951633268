"""What training leaves out, and what evaluation reports apart, by the rows of duplicates.csv."""

import pytest

from revisit.data import duplicates
from revisit.data.records import Contents, Dataset
from revisit.data.taxonomy import make_taxonomy
from revisit.errors import UserError

ROWS = """group,set,split,record,id,similarity
0,/sets/birds,validation,7,robin,
0,,train,40,a,0.99
0,,train,3,b,0.98
1,,validation,0,c,
1,,train,9,d,1.0
2,,train,5,e,
2,,train,8,"f, g",0.97
2,,train,6,h,0.97
"""


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "duplicates.csv").write_text(ROWS)
    return Dataset(str(tmp_path), make_taxonomy(["a"], []), Contents(), {}, {})


@pytest.mark.parametrize(
    "which, expected",
    [("none", []), ("evaluation", [3, 9, 40]), ("all", [3, 6, 8, 9, 40])],
)
def test_training_leaves_out_what_is_asked_for(dataset, which, expected):
    assert duplicates.dropped_records(dataset, which) == expected


def test_rows_come_as_groups(dataset):
    groups = list(duplicates.read_duplicates(dataset))
    assert [len(group) for group in groups] == [3, 2, 3]
    assert groups[2][1] == (2, "", "train", 8, "f, g", 0.97)
    assert groups[0][0].is_evaluation
    assert groups[1][0].is_evaluation
    assert not groups[0][1].is_evaluation


def test_a_choice_that_there_is_not_is_named(dataset):
    words = "config.data.drop_duplicates='some' is none of 'none', 'evaluation', 'all'"
    with pytest.raises(UserError, match=words):
        duplicates.dropped_records(dataset, "some")


def test_a_data_set_without_the_list_says_what_to_do(dataset, tmp_path):
    (tmp_path / "duplicates.csv").unlink()
    with pytest.raises(UserError, match="has no duplicates.csv: build it again"):
        duplicates.dropped_records(dataset, "all")
    assert duplicates.dropped_records(dataset, "none") == []


def test_what_is_in_training_is_known_for_the_set_itself_and_for_evaluation_sets(tmp_path, dataset):
    taxonomy = make_taxonomy(["a"], [])
    birds = Dataset("moved", taxonomy, Contents(), {}, {"checksums": {"validation": ["1"]}})
    sets = {"/sets/birds": duplicates.fingerprint(birds)}
    training = dataset._replace(metadata={"checksums": {"train": ["2"]}, "evaluation_sets": sets})
    assert duplicates.ids_in_training(birds, "validation", training) == ["robin"]
    assert duplicates.ids_in_training(birds, "test", training) == []
    assert duplicates.ids_in_training(training, "validation", training) == ["c"]
