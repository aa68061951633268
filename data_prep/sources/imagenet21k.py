"""ImageNet-21k as it is published: a tar archive of one tar archive a synset, read in place.

--images is `fall11_whole.tar` (members `n01440764.tar`, theirs `n01440764_1.JPEG`), or a folder,
pattern or list of the synsets' archives. --taxonomy is ImageNet's `wordnet.is_a.txt`, WordNet's
`data.noun` (it may stay compressed: `data.noun.xz`), or any other (see taxonomies.py) whose names
are WordNet ids; of it, the synsets with images and their ancestors are the classes. --manifest is
`words.txt` (id, tab, words), which gives titles; data.noun has titles of its own.

An image's id is its file's name. ImageNet gives an image one name wherever it stands, so files of
one name, in a child's archive and in its parent's, are one image with the labels of both; the one
that was read first is kept.
"""

import dataclasses
import functools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from data_prep.sources.archives import ENDING, Member, find_archives, list_members
from data_prep.sources.files import Span, read_span, whole_file
from data_prep.sources.source import Picture, Reject, Row, Source, SourceOptions
from data_prep.sources.tables import check_text, read_lines
from data_prep.sources.taxonomies import read_taxonomy
from revisit.data.records import Contents
from revisit.data.taxonomy import Taxonomy, make_taxonomy
from revisit.errors import UserError


@dataclasses.dataclass(frozen=True)
class NamedSpan:
    """Where an image's bytes are. Equal names are the same image, so that its rows are joined."""

    name: str
    span: Span = dataclasses.field(compare=False)


def _wnid(name: str) -> str:
    return posixpath.basename(name).removesuffix(ENDING)


def _as_synset(member: Member | Reject) -> Member | Reject:
    if isinstance(member, Reject) or member.name.endswith(ENDING):
        return member
    return Reject(member.name, member.name, f"not the archive of a synset (*{ENDING})")


def _find_synsets(images: str) -> Iterator[Member | Reject]:
    """The archives of synsets: members of an archive, or files."""
    for path in find_archives(images):
        first = next(list_members(whole_file(path)), None)
        if isinstance(first, Member) and first.name.endswith(ENDING):
            yield from map(_as_synset, list_members(whole_file(path)))
        else:
            yield Member(path, whole_file(path))


def _synset_rows(synset: Member) -> Iterator[Row | Reject]:
    wnid = _wnid(synset.name)
    for member in list_members(synset.span):
        if isinstance(member, Reject):
            yield member._replace(origin=f"{wnid}{ENDING}:{member.id}")
            continue
        name = posixpath.basename(member.name)
        yield Row(
            id=os.path.splitext(name)[0],
            reference=NamedSpan(name, member.span),
            positives=((wnid, 1.0),),
            origin=f"{wnid}{ENDING}:{name}",
        )


def _rows(synsets: Sequence[Member | Reject]) -> Iterator[Row | Reject]:
    for synset in synsets:
        if isinstance(synset, Reject):
            yield synset
            continue
        try:
            yield from _synset_rows(synset)
        except UserError as error:  # the others are as good as before
            name = f"{_wnid(synset.name)}{ENDING}"
            yield Reject(name, name, f"the rest of this archive: {error}")


def _read(row: Row) -> Picture:
    return Picture(read_span(row.reference.span))


def _read_titles(path: str) -> dict[str, str]:
    """words.txt: WordNet id -> its first word."""
    check_text(path)
    lines = (text.partition("\t") for _, text in read_lines(path))
    return {wnid: words.split(",")[0] for wnid, _, words in lines}


def _restrict(taxonomy: Taxonomy, wnids: Sequence[str], words: Mapping[str, str]) -> Taxonomy:
    """The classes of these names and their ancestors, with titles."""
    ids = taxonomy.close(taxonomy.ids[wnid] for wnid in wnids if wnid in taxonomy.ids)
    names = [taxonomy.names[id_] for id_ in ids]
    edges = [
        (taxonomy.names[id_], taxonomy.names[parent])
        for id_ in ids
        for parent in taxonomy.parents[id_]
    ]
    return make_taxonomy(
        names, edges, [words.get(taxonomy.names[i], taxonomy.titles[i]) for i in ids]
    )


def make_source(options: SourceOptions) -> Source:
    """The archives that --images names, under --taxonomy.

    Raises:
      UserError: no such archive, one that is compressed or not whole, no taxonomy, or one that
        knows none of the synsets.
    """
    if not options.images or not options.taxonomy:
        raise UserError(
            "--source=imagenet21k needs --images=fall11_whole.tar (or a folder of the synsets' "
            "archives) and --taxonomy=wordnet.is_a.txt (or WordNet's data.noun)"
        )
    synsets = list(_find_synsets(options.images))
    wnids = [_wnid(synset.name) for synset in synsets if isinstance(synset, Member)]
    words = _read_titles(options.manifest) if options.manifest else {}
    taxonomy = read_taxonomy(options.taxonomy)
    if taxonomy.ids.keys().isdisjoint(wnids):
        raise UserError(
            f"{options.taxonomy} knows none of the synsets of --images={options.images} "
            f"({', '.join(wnids[:3])} ...): its names have to be WordNet ids, and those of the "
            "synsets' archives WordNet ids with .tar, uncompressed"
        )
    return Source(
        taxonomy=_restrict(taxonomy, wnids, words),
        contents=Contents(),
        rows=functools.partial(_rows, synsets),
        read=_read,
    )
