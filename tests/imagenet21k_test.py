import lzma
import pickle
import tarfile
from collections import Counter

import pytest

from data_prep.labels import close_labels, join_rows
from data_prep.sources.imagenet21k import make_source
from data_prep.sources.source import Reject, SourceOptions
from revisit.errors import UserError
from tests.tars import make_tar

DOG, PUPPY, CAT = "n02084071", "n01322604", "n02121620"
IS_A = (
    f"n00015388 {DOG}\n{DOG} {PUPPY}\nn00015388 {CAT}\nn00001740 n00015388\nn00001740 n04341686\n"
)
SYNSETS = {
    f"{DOG}.tar": make_tar({f"{DOG}_1.JPEG": b"dog", f"{PUPPY}_7.JPEG": b"puppy"}),
    f"{PUPPY}.tar": make_tar({f"{PUPPY}_7.JPEG": b"puppy", f"{PUPPY}_8.JPEG": b"second"}),
    f"{CAT}.tar": make_tar({f"{CAT}_3.JPEG": b"cat"}),
}


@pytest.fixture
def options(tmp_path):
    (tmp_path / "wordnet.is_a.txt").write_text(IS_A)
    (tmp_path / "words.txt").write_text(f"{DOG}\tdog, domestic dog\n{PUPPY}\tpuppy\n")
    (tmp_path / "whole.tar").write_bytes(make_tar(SYNSETS))
    return SourceOptions(
        manifest=str(tmp_path / "words.txt"),
        images=str(tmp_path / "whole.tar"),
        taxonomy=str(tmp_path / "wordnet.is_a.txt"),
    )


def joined(source):
    """Image id -> its row, joined as a build does it."""
    rows = {}
    for row in pickle.loads(pickle.dumps(source)).rows():
        rows.setdefault(row.id, []).append(row)
    results = {id_: join_rows(of_id) for id_, of_id in rows.items()}
    assert not any(rejects for _, rejects in results.values())
    return {id_: row for id_, (row, _) in results.items()}


def test_a_tar_of_tars_is_read_in_place_and_copies_in_a_parent_s_archive_are_joined(options):
    source = make_source(options)
    rows = joined(source)
    assert {id_: sorted(row.positives) for id_, row in rows.items()} == {
        f"{DOG}_1": [(DOG, 1.0)],
        f"{PUPPY}_7": [(PUPPY, 1.0), (DOG, 1.0)],
        f"{PUPPY}_8": [(PUPPY, 1.0)],
        f"{CAT}_3": [(CAT, 1.0)],
    }
    read = {id_: source.read(row).encoded for id_, row in rows.items()}
    assert sorted(read.values()) == [b"cat", b"dog", b"puppy", b"second"]


def test_the_classes_are_those_with_images_and_their_ancestors(options):
    taxonomy = make_source(options).taxonomy
    assert set(taxonomy.names) == {DOG, PUPPY, CAT, "n00015388", "n00001740"}
    assert taxonomy.titles[taxonomy.ids[DOG]] == "dog"
    assert taxonomy.titles[taxonomy.ids[CAT]] == CAT
    ancestors = taxonomy.ancestors(taxonomy.ids[PUPPY])
    assert [taxonomy.names[id_] for id_ in ancestors] == [DOG, "n00015388", "n00001740"]


@pytest.mark.parametrize("images", ["synsets", "synsets/*.tar", "synsets/n0*1.tar,synsets/*4.tar"])
def test_a_folder_of_synset_archives(images, options, tmp_path):
    (tmp_path / "synsets").mkdir()
    for name, content in SYNSETS.items():
        (tmp_path / "synsets" / name).write_bytes(content)
    named = ",".join(f"{tmp_path}/{part}" for part in images.split(","))
    rows = joined(make_source(options._replace(images=named)))
    assert {f"{DOG}_1", f"{PUPPY}_7", f"{PUPPY}_8"} <= rows.keys()


def test_an_unknown_synset_s_images_are_rejected(options, tmp_path):
    more = {"n99999999.tar": make_tar({"n99999999_1.JPEG": b"?"})}
    (tmp_path / "whole.tar").write_bytes(make_tar({**SYNSETS, **more}))
    source = make_source(options)
    with pytest.raises(ValueError, match="unknown label 'n99999999'"):
        close_labels(joined(source)["n99999999_1"], source.taxonomy)


def test_a_broken_synset_archive_is_a_reject_and_the_others_are_read(options, tmp_path):
    broken = {**SYNSETS, f"{PUPPY}.tar": b"not a tar".ljust(1024)}
    (tmp_path / "whole.tar").write_bytes(make_tar(broken))
    found = list(make_source(options).rows())
    (reject,) = [row for row in found if isinstance(row, Reject)]
    assert reject.origin == f"{PUPPY}.tar"
    assert "damaged or cut off at byte" in reject.reason
    assert len(found) == 4


def test_another_member_of_the_whole_archive_is_a_reject(options, tmp_path):
    (tmp_path / "whole.tar").write_bytes(make_tar({**SYNSETS, "notes.txt": b"hello"}))
    rejects = [row for row in make_source(options).rows() if isinstance(row, Reject)]
    assert rejects == [Reject("notes.txt", "notes.txt", "not the archive of a synset (*.tar)")]


def test_a_whole_archive_that_is_cut_off_is_one_clear_line(options, tmp_path):
    whole = (tmp_path / "whole.tar").read_bytes()
    (tmp_path / "whole.tar").write_bytes(whole[:15_000])
    with pytest.raises(UserError, match="not a whole tar archive|damaged or cut off"):
        make_source(options)


def test_what_is_missing_is_named(options, tmp_path):
    with pytest.raises(UserError, match="needs --images=fall11_whole.tar"):
        make_source(options._replace(taxonomy=""))
    (tmp_path / "other.csv").write_text("child,parent\ndog,animal\n")
    with pytest.raises(
        UserError, match="knows none of the synsets .* be WordNet ids, .* uncompressed"
    ):
        make_source(options._replace(taxonomy=str(tmp_path / "other.csv")))


def wordnet_parents(path):
    """Independent of the reader under test: offset -> offsets after the pointers @ and @i."""
    parents = {}
    for line in lzma.decompress(path.read_bytes()).decode().splitlines():
        if line[0] != " ":
            cells = line.split(" | ")[0].split(" ")
            marks = [i for i, cell in enumerate(cells) if cell in ("@", "@i")]
            parents["n" + cells[0]] = {"n" + cells[i + 1] for i in marks if cells[i + 2] == "n"}
    return parents


def test_tiny_imagenet_as_a_tar_of_tars_under_the_real_wordnet(shared_data, tmp_path):
    nouns = shared_data("02_label-hierarchies", "wordnet-3.0", "data.noun.xz")
    synsets, expected = {}, Counter()
    with tarfile.open(
        shared_data("01_tiny-imagenet-200", "train_250-399.tar.xz"), "r|xz"
    ) as images:
        for member in images:
            name = member.name.split("/")[-1]
            if member.isfile() and name.endswith(".JPEG"):
                wnid = name.split("_")[0]
                if len(expected) == 8 and wnid not in expected:
                    break
                expected[wnid] += 1
                synsets.setdefault(wnid, {})[name] = images.extractfile(member).read()
    whole = make_tar({f"{wnid}.tar": make_tar(members) for wnid, members in synsets.items()})
    (tmp_path / "whole.tar").write_bytes(whole)
    options = SourceOptions(images=str(tmp_path / "whole.tar"), taxonomy=str(nouns))
    source = make_source(options)
    rows = list(source.rows())
    assert Counter(row.positives[0][0] for row in rows) == expected
    parents = wordnet_parents(nouns)
    above = set(expected)
    for _ in range(30):
        above |= {parent for wnid in above for parent in parents[wnid]}
    assert set(source.taxonomy.names) == above
    for row in rows[::50]:
        name = f"{row.id}.JPEG"
        assert source.read(row).encoded == synsets[name.split("_")[0]][name]
