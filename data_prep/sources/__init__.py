"""The forms in which people have labelled images: one file a form, one row each in SOURCES."""

from collections.abc import Callable

from data_prep.sources import manifest, microworld
from data_prep.sources.source import Source, SourceOptions

SOURCES: dict[str, Callable[[SourceOptions], Source]] = {
    "manifest": manifest.make_source,
    "microworld": microworld.make_source,
}
