"""Open Images' CSV files as a source."""

import csv
import io
import json
import pickle
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from data_prep.sources.open_images import make_source
from data_prep.sources.source import Reject, SourceOptions
from data_prep.sources.voc import make_source as make_voc_source
from revisit.errors import UserError

LABELS = "ImageID,Source,LabelName,Confidence\n"
BOXES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
)
IMAGES = "ImageID,Subset,OriginalURL,Title,Rotation\n"
CLASSES = 'LabelName,DisplayName\n/m/dog,Dog\n/m/duck,"Ducks, geese and ""swans"""\n/g/cat,Cat\n'
HIERARCHY = {
    "LabelName": "/m/root",
    "Subcategory": [
        {"LabelName": "/m/pet", "Subcategory": [{"LabelName": "/m/dog"}]},
        {"LabelName": "/m/beast", "Subcategory": [{"LabelName": "/m/dog"}],
         "Part": [{"LabelName": "/m/paw"}]},
    ],
}  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """Writes CSV files (name -> content) and gives their source."""

    def read(taxonomy=None, classes=CLASSES, **files):
        for name, content in {**files, "classes": classes}.items():
            (tmp_path / f"{name}.csv").write_text(content)
        if taxonomy is not None:
            (tmp_path / "hierarchy.json").write_text(json.dumps(taxonomy))
        names = [*files, "classes"] if classes else files
        return make_source(
            SourceOptions(
                manifest=",".join(str(tmp_path / f"{name}.csv") for name in names),
                images=str(tmp_path),
                taxonomy=str(tmp_path / "hierarchy.json") if taxonomy else "",
            )
        )

    return read


def test_labels_are_positive_sure_or_not_or_negative(read):
    lines = (
        "a1,verification,/m/dog,1\na1,crowdsource-verification,/m/duck,0\n"
        "a1,machine,/g/cat,0.7\na1,machine,/m/duck,0\nb2,machine,/m/dog,0.5\n"
    )
    one, two = read(train_labels=LABELS + lines).rows()
    assert one.positives == (("/m/dog", 1.0), ("/g/cat", 0.7))
    assert one.negatives == ("/m/duck",)
    assert (one.id, one.split, one.origin) == ("a1", "train", "train_labels.csv:2")
    assert (two.id, two.positives) == ("b2", (("/m/dog", 0.5),))


@pytest.mark.parametrize("header", [True, False])
def test_class_names_hold_commas_and_quotes_with_and_without_a_header(header, read):
    classes = CLASSES if header else CLASSES.split("\n", 1)[1]
    taxonomy = read(classes=classes, labels=LABELS).taxonomy
    assert taxonomy.names == ("/m/dog", "/m/duck", "/g/cat")
    assert taxonomy.titles == ("Dog", 'Ducks, geese and "swans"', "Cat")


def test_classes_outside_the_hierarchy_have_no_parent(read):
    taxonomy = read(HIERARCHY, labels=LABELS).taxonomy
    above = [taxonomy.names[id_] for id_ in taxonomy.ancestors(taxonomy.ids["/m/dog"])]
    assert set(above) == {"/m/pet", "/m/beast", "/m/root"}
    assert taxonomy.titles[taxonomy.ids["/m/dog"]] == "Dog"
    for alone in ("/g/cat", "/m/paw"):  # a part is not a kind
        assert taxonomy.parents[taxonomy.ids[alone]] == ()


def test_a_box_of_a_group_is_a_crowd(read):
    lines = (
        "a1,xclick,/m/dog,1,0.1,0.5,0.2,0.8,0,1,0,0,0\n"
        "a1,xclick,/m/dog,1,0.5,1.0,0.0,1.0,-1,-1,1,0,0\n"
    )
    source = read(validation_boxes=BOXES + lines)
    (row,) = source.rows()
    assert row.annotations.objects == (
        ((0.2, 0.1, 0.8, 0.5), "/m/dog", None, False, False),
        ((0.0, 0.5, 1.0, 1.0), "/m/dog", None, True, False),
    )
    assert (row.positives, row.split) == ((("/m/dog", 1.0),), "validation")
    assert source.contents.objects


def test_columns_are_found_by_their_names(read):
    boxes = "XMin,XMax,YMin,YMax,LabelName,ImageID,IsGroupOf,XClick1X\n0,1,0,0.5,/m/dog,a1,0,.3\n"
    (row,) = read(boxes=boxes).rows()
    assert row.annotations.objects[0].box == (0, 0, 0.5, 1)


def save_marked(path, **options):
    """A picture of 40 x 20 pixels, red in its top right corner."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:10, 20:] = 255, 0, 0
    Image.fromarray(pixels).save(path, quality=95, **options)


@pytest.mark.parametrize("degrees, turns", [("90.0", 1), ("180", 2), ("270", 3), ("-90", 3)])
def test_pixels_and_boxes_are_turned_together(degrees, turns, read, tmp_path):
    save_marked(tmp_path / "a1.jpg")
    source = read(
        images=IMAGES + f"a1,train,http://x,title,{degrees}\n",
        boxes=BOXES + "a1,xclick,/m/dog,1,0.5,1,0,0.5,0,0,0,0,0\n",
    )
    (row,) = source.rows()
    image = np.asarray(Image.open(io.BytesIO(source.read(row).encoded)))
    expected = np.rot90(np.asarray(Image.open(tmp_path / "a1.jpg")), turns)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 3
    scale = np.array([*image.shape[:2]] * 2)
    ymin, xmin, ymax, xmax = np.round(np.array(row.annotations.objects[0].box) * scale).astype(int)
    assert image[ymin:ymax, xmin:xmax, 0].min() > 150
    assert (image[..., 0] > 150).sum() == (ymax - ymin) * (xmax - xmin)


@pytest.mark.parametrize("degrees", ["", "0.0", "360", "nan", "NaN"])
def test_what_is_upright_keeps_its_bytes(degrees, read, tmp_path):
    save_marked(tmp_path / "a1.jpg")
    source = read(
        images=IMAGES + f"a1,train,http://x,title,{degrees}\n",
        labels=LABELS + "a1,verification,/m/dog,1\n",
    )
    source = pickle.loads(pickle.dumps(source))
    (row,) = source.rows()
    assert source.read(row).encoded == (tmp_path / "a1.jpg").read_bytes()


def test_boxes_are_of_the_stored_pixels_whatever_exif_says(read, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save_marked(tmp_path / "a1.jpg", exif=exif)
    source = read(labels=LABELS + "a1,verification,/m/dog,1\n")
    image = Image.open(io.BytesIO(source.read(next(source.rows())).encoded))
    assert (image.size, image.getexif().get(0x0112, 1)) == ((40, 20), 1)


@pytest.mark.parametrize(
    "line, reason",
    [
        ("a1,verification,/m/none,1", "unknown label '/m/none'"),
        ("a1,machine,/m/dog,sure", "Confidence is not a number: 'sure'"),
        ("a1,machine,/m/dog,1.5", "confidence outside 0 to 1: 1.5"),
        ("a1,machine,/m/dog", "cells in this line: 3, in the header: 4"),
    ],
)
def test_a_bad_line_is_a_reject_and_its_image_keeps_the_others(line, reason, read):
    good = "a1,verification,/m/duck,1\n"
    reject, row = read(labels=f"{LABELS}{line}\n{good}").rows()
    assert reject == Reject("labels.csv:2", "a1", reason)
    assert row.positives == (("/m/duck", 1.0),)


def test_a_box_outside_its_image_is_a_reject(read):
    reject, = read(boxes=BOXES + "a1,xclick,/m/dog,1,100,150,20,80,0,0,0,0,0\n").rows()  # fmt: skip
    assert reject.reason.startswith("box outside the image")


def test_a_picture_that_is_missing_or_elsewhere_is_refused(read):
    lines = "a1,verification,/m/dog,1\n../b,verification,/m/dog,1\n"
    source = read(labels=LABELS + lines)
    missing, outside = source.rows()
    with pytest.raises(ValueError, match="no file in the folders of images: a1.jpg"):
        source.read(missing)
    with pytest.raises(ValueError, match="leaves the folder of images"):
        source.read(outside)


def test_a_picture_that_can_t_be_turned_is_refused(read, tmp_path):
    (tmp_path / "a1.jpg").write_bytes(b"no picture")
    source = read(labels=LABELS + "a1,verification,/m/dog,1\n")
    with pytest.raises(ValueError, match="can't be decoded"):
        source.read(next(source.rows()))


@pytest.mark.parametrize(
    "files, words",
    [
        ({"labels": "path,label\n"}, "labels.csv:1 has the columns path, label: not Open Images'"),
        ({"labels": ""}, "labels.csv:1 has the columns none"),
        ({"images": IMAGES}, "has no labels of images and no boxes"),
        ({"labels": LABELS, "classes": ""}, "needs its classes: class descriptions"),
        (
            {"labels": LABELS, "classes": "/m/dog,Dog\n/m/duck,Ducks, geese\n"},
            r"classes.csv:2: cells in this line: 3, in the header: 2 \(quote names with commas\)",
        ),
    ],
)
def test_files_of_another_kind_are_one_clear_line(files, words, read):
    with pytest.raises(UserError, match=words):
        read(**files)


@pytest.mark.parametrize(
    "line, id_, reason",
    [
        ("a1,train,http://x,title,45", "a1", "Rotation 45 is not a multiple of 90"),
        ("a1,train,http://x,title,left", "a1", "Rotation is not a number: 'left'"),
        ("a1,train,http://x,90", "a1", "cells in this line: 4, in the header: 5"),
    ],
)
def test_a_rotation_that_is_none_is_a_reject_and_its_image_stays(line, id_, reason, read):
    source = read(images=f"{IMAGES}{line}\n", labels=LABELS + "a1,verification,/m/dog,1\n")
    reject, row = source.rows()
    assert reject == Reject("images.csv:2", id_, reason)
    assert (row.id, row.reference) == ("a1", ("a1", 0))


def test_memory_does_not_grow_with_the_table(read):
    def peak(num_images):
        lines = (f"{n:016x},machine,/m/dog,0.{n % 9 + 1}\n" * 2 for n in range(num_images))
        source = read(labels=LABELS + "".join(lines))
        tracemalloc.start()
        count = sum(1 for _ in source.rows())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == num_images
        return most

    small, large = peak(2000), peak(8000)
    assert large < 1.5 * small


def test_real_class_names_and_the_real_hierarchy_are_one_taxonomy(shared_data, read):
    folder = shared_data("02_label-hierarchies", "open-images")
    names = (folder / "oidv6-class-descriptions.csv").read_text()
    hierarchy = json.loads((folder / "bbox_labels_600_hierarchy.json").read_text())
    taxonomy = read(hierarchy, classes=names, labels=LABELS).taxonomy
    listed = {cells[0]: cells[1] for cells in csv.reader(io.StringIO(names))}
    assert len(listed) == 19_994
    assert set(taxonomy.names) >= set(listed)
    assert taxonomy.titles[taxonomy.ids["/m/01c_0l"]] == "Ducks, geese and swans"

    def depth(node):
        return 1 + max(map(depth, node.get("Subcategory", [])), default=0)

    assert taxonomy.depth() == depth(hierarchy)


def test_the_same_boxes_as_voc_s(shared_data, read):
    folder = shared_data("05_voc2012-mini")
    table = folder / "same-100-images-other-formats" / "openimages_format"
    lines = list(csv.DictReader((table / "all_bounding_boxes.csv").open()))
    # The converter wrote decimal commas, file names for ids, and left marks and sources empty.
    cells = [
        [line["ImageID"].removesuffix(".jpg"), "xclick", line["LabelName"], "1"]
        + [line[side].replace(",", ".") for side in ("XMin", "XMax", "YMin", "YMax")]
        + ["0"] * 5
        for line in lines
    ]
    classes = "LabelName,DisplayName\n" + "".join(
        f"{name},{name}\n" for name in sorted({line["LabelName"] for line in lines})
    )
    boxes = BOXES + "".join(",".join(each) + "\n" for each in sorted(cells))
    rows = {row.id: row.annotations.objects for row in read(classes=classes, boxes=boxes).rows()}
    lists = folder / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main" / "trainval.txt"
    for row in make_voc_source(SourceOptions(manifest=str(lists))).rows():
        height, width = row.annotations.size
        # It also took VOC's first pixel, 1, for the distance 1 from the edge.
        shift = np.array([1 / height, 1 / width, 0, 0])
        ours = [(each.label, *(np.array(each.box) + shift)) for each in row.annotations.objects]
        theirs = [(each.label, *each.box) for each in rows.get(row.id, ())]
        for (name, *box), (label, *sides) in zip(sorted(ours), sorted(theirs), strict=True):
            assert name == label
            np.testing.assert_allclose(box, sides, atol=1e-6)
