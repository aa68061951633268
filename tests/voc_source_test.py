"""PASCAL VOC's folders as a source, against the raw files and the same boxes in other forms."""

import collections
import json
import pathlib
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from data_prep.sources import coco, voc
from data_prep.sources.source import Reject, SourceOptions
from revisit.errors import UserError

OBJECT = (
    "<object><name>{name}</name><difficult>{difficult}</difficult>"
    "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>"
    "</bndbox></part><bndbox><xmin>{xmin}</xmin><ymin>11</ymin><xmax>{xmax}</xmax><ymax>20</ymax>"
    "</bndbox></object>"
)
SIZE = "<size><width>100</width><height>50</height><depth>3</depth></size>"


def make_object(name="dog", difficult=0, xmin=1, xmax=50):
    return OBJECT.format(name=name, difficult=difficult, xmin=xmin, xmax=xmax)


def make_xml(*objects, size=SIZE, filename="a.jpg"):
    return f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>"


@pytest.fixture
def root(tmp_path):
    """Folders as VOC has them, with one image and its list."""
    for folder in ("Annotations", "JPEGImages", "SegmentationClass", "ImageSets/Main"):
        (tmp_path / "VOC2012" / folder).mkdir(parents=True)
    (tmp_path / "VOC2012" / "ImageSets" / "Segmentation").mkdir()
    folder = tmp_path / "VOC2012"
    (folder / "JPEGImages" / "a.jpg").write_bytes(b"pixels")
    (folder / "Annotations" / "a.xml").write_text(make_xml(make_object()))
    write_list(folder, "Main/train", "a")
    write_list(folder, "Segmentation/val", "a")
    return folder


def write_list(folder, name, *lines):
    (folder / "ImageSets" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def read(folder, lists="Main/train", **options):
    manifest = ",".join(f"{folder}/ImageSets/{name}.txt" for name in lists.split())
    return voc.make_source(SourceOptions(manifest=manifest, **options))


def test_a_box_goes_from_before_its_first_pixel_to_behind_its_last(root):
    (root / "Annotations" / "a.xml").write_text(make_xml(make_object(xmin=2, difficult=1)))
    (row,) = read(root).rows()
    (found,) = row.annotations.objects
    assert found == ((10 / 50, 1 / 100, 20 / 50, 50 / 100), "dog", None, False, True)
    assert (row.id, row.split, row.positives) == ("a", "train", (("dog", 1.0),))
    assert (row.annotations.size, row.origin) == ((50, 100), "train.txt:1")


def test_classes_are_voc_s_twenty_or_else_those_that_occur(root):
    assert read(root).taxonomy.names == voc.CLASSES
    (root / "Annotations" / "a.xml").write_text(make_xml(make_object("wbc"), make_object("dog")))
    assert read(root).taxonomy.names == ("dog", "wbc")


def test_a_list_that_tells_the_split_goes_before_one_that_does_not(root):
    write_list(root, "Main/trainval", "a", "b")
    (root / "Annotations" / "b.xml").write_text(make_xml(filename="b.png"))
    first, second = read(root, "Main/trainval Main/train").rows()
    assert (first.id, first.split) == ("a", "train")
    assert (second.id, second.split, second.positives) == ("b", None, ())
    assert second.reference.endswith("JPEGImages/b.png")


def test_a_list_of_one_class_is_a_list_of_images(root):
    write_list(root, "Main/dog_val", "a  1")
    (row,) = read(root, "Main/dog_val").rows()
    assert (row.id, row.split) == ("a", "validation")


def test_the_folder_may_be_named(root, tmp_path):
    (tmp_path / "mine.txt").write_text("a\n")
    options = SourceOptions(manifest=str(tmp_path / "mine.txt"))
    with pytest.raises(UserError, match="no folder Annotations in .*: name the folder that has it"):
        voc.make_source(options)
    (row,) = voc.make_source(options._replace(images=str(root))).rows()
    assert row.split is None


def save_mask(root, mask, mode):
    image = Image.fromarray(np.asarray(mask, np.uint8))
    if mode == "P":
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image = image if mode == "P" else image.convert(mode)
    image.save(root / "SegmentationClass" / "a.png")


def test_a_mask_comes_with_the_picture(root):
    pixels = np.resize([0, 20, 255, 1], (50, 100))
    save_mask(root, pixels, "P")
    source = pickle.loads(pickle.dumps(read(root, "Segmentation/val")))
    (row,) = source.rows()
    picture = source.read(row)
    assert picture.annotations.mask.tolist() == pixels.tolist()
    assert len(picture.annotations.objects) == 1
    assert picture.encoded == b"pixels"
    assert source.contents.mask
    assert source.mask_classes[20] == "tvmonitor"


def test_a_mask_that_is_none_is_refused(root):
    source = read(root, "Segmentation/val")
    (row,) = source.rows()
    with pytest.raises(FileNotFoundError, match="SegmentationClass/a.png"):
        source.read(row)
    pixels = np.resize([0, 21], (50, 100))
    save_mask(root, pixels, "L")
    with pytest.raises(ValueError, match="a mask with value 21: VOC has 0 to 20, and 255"):
        source.read(row)
    save_mask(root, pixels, "RGB")
    with pytest.raises(ValueError, match="a mask in RGB: expected a palette's numbers"):
        source.read(row)
    save_mask(root, pixels.T, "L")
    with pytest.raises(ValueError, match="a mask of 50x100 pixels, its annotation says 100x50"):
        source.read(row)


@pytest.mark.parametrize("damage", [lambda png: png[:60], lambda png: png[:50] + b"x" + png[51:]])
def test_a_broken_mask_is_refused(damage, root):
    source = read(root, "Segmentation/val")
    (row,) = source.rows()
    save_mask(root, np.random.default_rng(0).integers(0, 21, (50, 100)), "L")
    path = root / "SegmentationClass" / "a.png"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="SegmentationClass/a.png can't be decoded: "):
        source.read(row)


@pytest.mark.parametrize(
    "objects, reason",
    [
        (make_object(xmin=51), "object: empty box: ymin, xmin, ymax, xmax are 0.2, 0.5, 0.4, 0.5"),
        (make_object(xmax=500), "object: box outside the image"),
        ("<object><name>dog</name></object>", "object: no <bndbox> in <object>"),
        (make_object(xmax="wide"), "object: <xmax> 'wide' is not a number"),
    ],
)
def test_an_object_that_can_t_be_used_is_a_reject_and_its_image_stays(objects, reason, root):
    (root / "Annotations" / "a.xml").write_text(make_xml(objects, make_object("cat")))
    reject, row = read(root).rows()
    assert (reject.origin, reject.id) == ("train.txt:1", "a")
    assert reason in reject.reason
    assert [each.label for each in row.annotations.objects] == ["cat"]


def test_a_label_outside_the_taxonomy_is_a_reject(root, tmp_path):
    (tmp_path / "classes.yaml").write_text("- cat")
    reject, row = read(root, taxonomy=str(tmp_path / "classes.yaml")).rows()
    assert reject.reason == "object: unknown label 'dog'"
    assert row.positives == ()


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "No such file"),
        ("<annotation>", "a.xml is not XML: no element found"),
        (make_xml(size=""), "no <size/height> in <annotation>"),
        (make_xml(size=SIZE.replace("100", "0")), "<size> is 0x50"),
    ],
)
def test_an_image_without_a_usable_annotation_is_a_reject(content, reason, root):
    write_list(root, "Main/train", "a", "b")
    (root / "Annotations" / "b.xml").write_text(make_xml(make_object()))
    (root / "Annotations" / "a.xml").unlink()
    if content is not None:
        (root / "Annotations" / "a.xml").write_text(content)
    reject, row = read(root).rows()
    assert reason in reject.reason
    assert row.id == "b"


def test_a_name_that_leaves_the_folders_is_a_reject(root):
    (root.parent / "secret.xml").write_text(make_xml(make_object()))
    write_list(root, "Main/train", "a", "../../secret")
    row, reject = read(root).rows()
    assert (row.id, reject.id) == ("a", "../../secret")
    assert "leaves the folder of images" in reject.reason


def test_wrong_lists_are_one_clear_line(root):
    with pytest.raises(UserError, match="needs --manifest=LISTS"):
        voc.make_source(SourceOptions())
    with pytest.raises(UserError, match="lists of Main and Segmentation can't be built together"):
        read(root, "Main/train Segmentation/val")
    (root / "Annotations" / "a.xml").write_text(make_xml())
    with pytest.raises(UserError, match="no image of the lists has an object"):
        read(root)


def count_tags(folder, pattern):
    texts = (path.read_text() for path in pathlib.Path(folder).glob("*.xml"))
    return collections.Counter(name for text in texts for name in re.findall(pattern, text))


def test_voc_s_real_mini_holds_what_its_files_say(shared_data):
    root = shared_data("05_voc2012-mini", "VOCdevkit", "VOC2012")
    rows = list(read(root, "Main/trainval").rows())
    assert len(rows) == 100
    found = collections.Counter(each.label for row in rows for each in row.annotations.objects)
    named = count_tags(root / "Annotations", r"<object>\s*<name>(\w+)</name>")
    assert found == named
    hard = count_tags(root / "Annotations", r"<difficult>(1)</difficult>")["1"]
    assert sum(each.is_difficult for row in rows for each in row.annotations.objects) == hard > 0


def test_voc_s_real_masks_are_read(shared_data):
    root = shared_data("05_voc2012-mini", "VOCdevkit", "VOC2012")
    source = read(root, "Segmentation/train Segmentation/val")
    rows = list(source.rows())
    assert collections.Counter(row.split for row in rows) == {"train": 43, "validation": 50}
    for row in rows[::10]:
        annotations = source.read(row).annotations
        assert annotations.mask.shape == annotations.size
        drawn = {
            voc.MASK_CLASSES[value] for value in np.unique(annotations.mask) if 0 < value < 255
        }
        assert drawn == {each.label for each in annotations.objects}


def test_blood_cells_in_voc_s_form(shared_data):
    root = shared_data("06_bccd", "BCCD")
    rows = list(read(root, "Main/train Main/val Main/test").rows())
    assert not any(isinstance(row, Reject) for row in rows)
    assert len(rows) == 364
    labels = collections.Counter(each.label for row in rows for each in row.annotations.objects)
    assert labels == {"RBC": 4155, "WBC": 372, "Platelets": 361}


def test_the_same_boxes_in_coco_s_form(shared_data):
    folder = shared_data("05_voc2012-mini")
    path = folder / "same-100-images-other-formats" / "coco_format_v1" / "instances_default.json"
    images = str(folder / "VOCdevkit" / "VOC2012" / "JPEGImages")
    other = coco.make_source(SourceOptions(manifest=str(path), images=images))
    titles = dict(zip(other.taxonomy.names, other.taxonomy.titles))
    rows = {row.reference: row for row in other.rows()}
    names = {image["file_name"] for image in json.loads(path.read_text())["images"]}
    assert set(rows) == names
    for row in read(folder / "VOCdevkit" / "VOC2012", "Main/trainval").rows():
        mate = rows[pathlib.Path(row.reference).name].annotations
        height, width = row.annotations.size
        assert mate.size == (height, width)
        # The converter took VOC's first pixel, 1, for the distance 1 from the edge.
        shift = np.array([1 / height, 1 / width, 0, 0])
        ours = [(each.label, *(np.array(each.box) + shift)) for each in row.annotations.objects]
        theirs = [(titles[each.label], *each.box) for each in mate.objects]
        for (name, *box), (label, *sides) in zip(sorted(ours), sorted(theirs), strict=True):
            assert name == label
            np.testing.assert_allclose(box, sides, atol=1e-6)
