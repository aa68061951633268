import numpy as np
import pytest

from data_prep.annotations import make_groups
from data_prep.images import CheckedImage
from data_prep.sources.source import Annotations, Object, Person, Source
from revisit.data.records import Contents
from revisit.data.taxonomy import make_taxonomy

IMAGE = CheckedImage(b"", height=20, width=10, thumbnail=np.zeros((24, 24), np.uint8))
SOURCE = Source(
    make_taxonomy(["cat", "dog"], []), Contents(objects=True, mask=True, people=True), iter, iter
)


def test_an_area_is_the_outline_s_or_else_the_box_s():
    objects = Object((0, 0, 0.5, 0.5), "dog"), Object((0, 0, 1, 1), "cat", 7.5, is_crowd=True)
    groups = make_groups(Annotations(objects), IMAGE, SOURCE)
    assert groups["objects"]["area"] == [50, 7.5]
    assert groups["objects"]["label"] == [1, 0]
    assert groups["objects"]["is_crowd"] == [False, True]
    assert groups["objects"]["is_difficult"] == [False, False]


def test_people_keep_their_keypoints():
    keypoints = np.arange(51).reshape(17, 3)
    groups = make_groups(Annotations(people=(Person((0, 0, 1, 1), keypoints),)), IMAGE, SOURCE)
    assert groups["people"]["keypoints"].tolist() == [keypoints.tolist()]
    assert groups["people"]["area"] == [200]


def test_an_image_without_annotations_has_empty_groups():
    groups = make_groups(Annotations(), IMAGE, SOURCE)
    assert groups["objects"]["box"].shape == (0, 4)
    assert groups["people"]["keypoints"].shape == (0, 17, 3)
    assert groups["mask"].startswith(b"\x89PNG")


def test_only_what_is_promised_is_made():
    source = SOURCE._replace(contents=Contents(people=True))
    assert set(make_groups(Annotations(), IMAGE, source)) == {"people"}


@pytest.mark.parametrize(
    "annotations, words",
    [
        (Annotations(size=(10, 20)), "the image is 10x20 pixels, its annotation says 20x10"),
        (
            Annotations(mask=np.zeros((20, 11), np.uint8)),
            "the image is 10x20 pixels, its mask says 11x20",
        ),
        (Annotations((Object((0, 0, 1, 1), "cow"),)), "box: unknown label 'cow'"),
    ],
)
def test_annotations_of_another_image_are_refused(annotations, words):
    with pytest.raises(ValueError, match=words):
        make_groups(annotations, IMAGE, SOURCE)
