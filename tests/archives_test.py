import io
import tarfile

import pytest

from data_prep.sources.archives import Member, list_members
from data_prep.sources.files import Span, read_span, whole_file
from data_prep.sources.source import Reject
from revisit.errors import UserError
from tests.tars import make_tar

LONG_NAME = "folder/" * 30 + "name.jpg"  # over 100 characters: takes headers of its own


MEMBERS = {"a/1.jpg": b"one" * 300, "./2.jpg": b"", LONG_NAME: b"three"}


def contents(members):
    return {member.name: read_span(member.span) for member in members}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_member_is_found_in_place(form, tmp_path):
    (tmp_path / "a.tar").write_bytes(make_tar(MEMBERS, form))
    found = contents(list_members(whole_file(str(tmp_path / "a.tar"))))
    assert found == {"a/1.jpg": b"one" * 300, "2.jpg": b"", LONG_NAME: b"three"}


def test_an_archive_inside_an_archive_is_walked_the_same_way(tmp_path):
    inner = {f"n{number}.tar": make_tar({f"n{number}_1.JPEG": b"x" * number}) for number in (1, 2)}
    (tmp_path / "outer.tar").write_bytes(make_tar(inner))
    outer = list(list_members(whole_file(str(tmp_path / "outer.tar"))))
    assert [member.name for member in outer] == ["n1.tar", "n2.tar"]
    assert contents(list_members(outer[0].span)) == {"n1_1.JPEG": b"x"}
    assert contents(list_members(outer[1].span)) == {"n2_1.JPEG": b"xx"}


def test_links_are_rejects_and_folders_are_nothing(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in [("d", tarfile.DIRTYPE), ("s", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)]:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
    reason = "not a plain file of the archive (a link?)"
    found = list(list_members(whole_file(str(tmp_path / "a.tar"))))
    assert found == [Reject("a.tar:s", "s", reason), Reject("a.tar:h", "h", reason)]


class CountingFile(io.FileIO):
    num_bytes = 0

    def read(self, size=-1):
        content = super().read(size)
        CountingFile.num_bytes += len(content)
        return content


def test_contents_are_skipped(tmp_path, monkeypatch):
    (tmp_path / "a.tar").write_bytes(make_tar({f"{n}.jpg": bytes(100_000) for n in range(20)}))
    monkeypatch.setattr("data_prep.sources.archives.open_file", CountingFile)
    assert len(list(list_members(Span(str(tmp_path / "a.tar"), 0, 0)))) == 20
    assert CountingFile.num_bytes < 20 * 2 * 512


def damage(content):
    header = content.index(b"b.jpg")
    return content[:header] + b"?" + content[header + 1 :]


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda content: content[:1100], "damaged or cut off at byte 1024: get it again"),
        (lambda content: content[:1536], "not a whole tar archive .unexpected end of data"),
        (damage, "damaged or cut off at byte 1024: get it again"),
        (lambda content: b"\x1f\x8b" + bytes(600), "a compressed one has to be decompressed once"),
        (lambda content: b"", "not a whole tar archive .empty file"),
    ],
)
def test_nothing_is_lost_silently_of_an_archive_that_is_not_whole(spoil, words, tmp_path):
    whole = make_tar({"a.jpg": b"one", "b.jpg": b"two" * 200})
    (tmp_path / "a.tar").write_bytes(spoil(whole))
    with pytest.raises(UserError, match=words):
        list(list_members(whole_file(str(tmp_path / "a.tar"))))


def test_damage_of_an_inner_archive_is_found_too(tmp_path):
    inner = bytearray(make_tar({"1.jpg": b"one"}))
    inner[0] ^= 1
    (tmp_path / "outer.tar").write_bytes(make_tar({"n1.tar": bytes(inner)}))
    (member,) = list_members(whole_file(str(tmp_path / "outer.tar")))
    assert isinstance(member, Member)
    with pytest.raises(UserError, match="damaged or cut off at byte 512"):
        list(list_members(member.span))
