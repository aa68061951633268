"""PASCAL VOC's names: classes, in the order of its masks' values (VOC 2012 devkit, section 3), and
splits.
"""

CLASSES = (
    ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow")
    + ("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa")
    + ("train", "tvmonitor")
)
MASK_CLASSES = ("background", *CLASSES)  # a mask's values
VOID = 255  # of a pixel that has none: borders of objects, and what is too hard to tell


def image_set(split: str) -> str:
    """The development kit's name of a split, which it looks for in the names of results."""
    return {"validation": "val"}.get(split, split)
