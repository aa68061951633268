"""Annotations are read off the painted pixels: exact, and honest about what can't be seen."""

import numpy as np
import pytest

from data_prep.microworld import drawing, rendering, scenes
from data_prep.microworld.leaves import LEAVES, PEOPLE
from data_prep.microworld.recipes import MASK_CLASSES, RECIPES
from revisit.data.records import KEYPOINTS

SIZE = 64


@pytest.fixture(scope="module")
def pictures():
    made = [scenes.make_scene("pretrain", 2, index) for index in range(150)]
    return [(scene, rendering.render(scene, SIZE)) for scene in made]


def _shown(scene, rendered):
    """(place, thing) of the objects that own a pixel, in the order of the boxes."""
    return [
        (k, thing)
        for k, thing in enumerate(scene.things, 1)
        if (rendered.owner == k).any()
    ]  # fmt: skip


def _alone(leaf, seed=0, **changes):
    """A scene of one object of a class, in the middle, upright, with nothing before it."""
    scene = scenes.make_scene("transfer", seed, 0)
    thing = scene.things[0]._replace(leaf=leaf, center=(0.5, 0.5), turn=0.0, size=0.8, **changes)
    return scene._replace(things=(thing,), front=scene.front[:0])


def test_boxes_are_the_extents_of_the_visible_masks(pictures):
    for scene, rendered in pictures:
        shown = _shown(scene, rendered)
        assert rendered.labels == tuple(thing.leaf.name for _, thing in shown)
        for (k, _), box in zip(shown, rendered.boxes, strict=True):
            ys, xs = np.nonzero(rendered.owner == k)
            edges = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1
            np.testing.assert_array_equal(np.rint(box * SIZE), edges)


def test_masks_hold_the_group_of_each_pixels_owner(pictures):
    for scene, rendered in pictures:
        assert rendered.mask.dtype == np.uint8
        groups = [0] + [MASK_CLASSES.index(RECIPES[t.leaf.recipe].group) for t in scene.things]
        np.testing.assert_array_equal(rendered.mask, np.array(groups)[rendered.owner])


def test_nearly_every_object_can_be_seen(pictures):
    visible = [(rendered.owner == k).sum() for scene, rendered in pictures
               for k in range(1, len(scene.things) + 1)]  # fmt: skip
    assert np.mean(np.array(visible) >= 12) > 0.97


def test_some_objects_are_partly_hidden(pictures):
    boxes = [box for _, rendered in pictures for box in rendered.boxes]
    assert any((box == 0).any() or (box == 1).any() for box in boxes)  # cut off by the frame
    assert sum(len(scene.front) > 0 for scene, _ in pictures) > 10


def test_visible_keypoints_lie_on_the_figures_own_pixels(pictures):
    seen = 0
    for scene, rendered in pictures:
        people = [k for k, thing in _shown(scene, rendered) if thing.leaf.recipe == "figure"]
        for k, keypoints in zip(people, rendered.keypoints, strict=True):
            for y, x, _ in keypoints[keypoints[:, 2] == 2]:
                assert rendered.owner[int(y * SIZE), int(x * SIZE)] == k
                seen += 1
    assert seen > 200


def test_keypoints_outside_the_frame_are_zero(pictures):
    keypoints = np.concatenate([rendered.keypoints for _, rendered in pictures])
    assert set(np.unique(keypoints[:, :, 2])) == {0.0, 1.0, 2.0}
    assert not keypoints[keypoints[:, :, 2] == 0].any()
    inside = keypoints[keypoints[:, :, 2] > 0]
    assert ((inside[:, :2] >= 0) & (inside[:, :2] < 1)).all()


def test_a_figure_that_faces_us_has_its_left_at_the_right_also_when_mirrored():
    waver = next(leaf for leaf in PEOPLE if leaf.name == "weightlifter")
    for flip in (False, True):
        (keypoints,) = rendering.render(_alone(waver, flip=flip), 128).keypoints
        x = dict(zip(KEYPOINTS, keypoints[:, 1]))
        assert x["left_shoulder"] > x["right_shoulder"]
        assert x["left_eye"] > x["right_eye"]
        assert (keypoints[:, 2] == 2).sum() >= 12


def test_what_looks_away_hides_its_face():
    onlooker = next(leaf for leaf in PEOPLE if leaf.name == "onlooker")
    (keypoints,) = rendering.render(_alone(onlooker), 128).keypoints
    assert (keypoints[:3, 2] == 1).all()  # nose and eyes: in the frame, not visible
    assert (keypoints[13:, 2] == 2).all()  # knees and ankles


def test_what_something_covers_is_hidden():
    walker = next(leaf for leaf in PEOPLE if leaf.name == "weightlifter")
    wall = next(leaf for leaf in LEAVES if leaf.name == "apartment block")
    scene = _alone(walker)
    cover = scene.things[0]._replace(leaf=wall, size=3.0)
    rendered = rendering.render(scene._replace(things=(scene.things[0], cover)), SIZE)
    assert rendered.labels == ("apartment block",)
    assert len(rendered.keypoints) == 0


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_every_class_can_be_drawn(leaf):
    rendered = rendering.render(_alone(leaf), SIZE)
    assert rendered.labels == (leaf.name,)
    assert (rendered.owner == 1).sum() >= 40
    thing = _alone(leaf).things[0]
    assert len(drawing.sketch_of(thing).parts) >= 1


def test_size_is_a_parameter():
    rendered = rendering.render(scenes.make_scene("pretrain", 0, 1), 96)
    assert rendered.image.shape == (96, 96, 3)
    assert rendered.mask.shape == (96, 96)
    assert rendered.image.std() > 10
