"""TFRecord's framing, without TensorFlow: a worker starts in one second instead of seven.

A record is its length (8 bytes), the masked CRC of the length, its bytes, and their masked CRC.
Source: tensorflow/core/lib/io/record_writer.h.
"""

import collections
import struct
from collections.abc import Iterator
from typing import Any

import google_crc32c


def _masked(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked(length), record, _masked(record)))


def read_frames(path: Any) -> Iterator[bytes]:
    """The records of a TFRecord file, in order; their checksums are not looked at."""
    with path.open("rb") as file:
        while header := file.read(12):
            record = file.read(struct.unpack_from("<Q", header)[0])
            file.read(4)
            yield record


def _read_varint(content: bytes, place: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place


def _parts(message: bytes) -> Iterator[tuple[int, bytes]]:
    """(field number, content) of a protocol buffer whose fields are all length-delimited."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        length, place = _read_varint(message, place)
        yield tag >> 3, message[place : place + length]
        place += length


def read_features(record: bytes) -> dict[str, bytes]:
    """Feature name -> its list as it is packed, of a tf.train.Example that `encode_record` made:
    an empty list is b"" under any name."""
    features: dict[str, bytes] = collections.defaultdict(bytes)
    for _, message in _parts(record):
        for _, entry in _parts(message):
            name, value = (part for _, part in _parts(entry))
            (features[name.decode()],) = (
                values for _, inner in _parts(value) for _, values in _parts(inner)
            )
    return features


def read_ids(packed: bytes) -> list[int]:
    """The numbers of an integer feature of `read_features`."""
    numbers, place = [], 0
    while place < len(packed):
        number, place = _read_varint(packed, place)
        numbers.append(number)
    return numbers
