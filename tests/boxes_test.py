import math

import pytest

from data_prep.sources.boxes import clip_box


def test_a_box_inside_stays_as_it_is():
    assert clip_box((0.1, 0, 1, 0.2)) == (0.1, 0, 1, 0.2)


def test_what_reaches_over_the_edge_is_cut_off():
    assert clip_box((-0.1, 0.5, 0.2, 1.001)) == (0, 0.5, 0.2, 1)


def test_a_box_half_inside_is_the_last_that_is_kept():
    assert clip_box((0.5, 0, 1.5, 1)) == (0.5, 0, 1, 1)
    with pytest.raises(ValueError, match="box outside the image: ymin, xmin, ymax, xmax are 0.51"):
        clip_box((0.51, 0, 1.51, 1))


@pytest.mark.parametrize("box", [(0, 0, 100, 100), (2, 2, 3, 3), (0, 0, math.inf, 1)])
def test_a_box_elsewhere_is_refused(box):
    with pytest.raises(ValueError, match="box outside the image"):
        clip_box(box)


@pytest.mark.parametrize("box", [(0.5, 0, 0.5, 1), (0, 0.7, 1, 0.2), (0, math.nan, 1, 1)])
def test_an_empty_box_is_refused(box):
    with pytest.raises(ValueError, match="empty box"):
        clip_box(box)
