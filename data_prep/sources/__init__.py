"""The forms in which people have labelled images: one file a form, one row each in SOURCES."""

from collections.abc import Callable

from data_prep.sources import (
    coco,
    image_folder,
    imagenet21k,
    manifest,
    microworld,
    open_images,
    tencent,
    tfds_dataset,
    voc,
    webdataset,
)
from data_prep.sources.source import Source, SourceOptions

SOURCES: dict[str, Callable[[SourceOptions], Source]] = {
    "coco": coco.make_source,
    "image_folder": image_folder.make_source,
    "imagenet21k": imagenet21k.make_source,
    "manifest": manifest.make_source,
    "microworld": microworld.make_source,
    "open_images": open_images.make_source,
    "tencent": tencent.make_source,
    "tfds": tfds_dataset.make_source,
    "voc": voc.make_source,
    "webdataset": webdataset.make_source,
}
