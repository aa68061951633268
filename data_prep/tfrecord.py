"""TFRecord's framing, without TensorFlow: a worker starts in one second instead of seven.

A record is its length (8 bytes), the masked CRC of the length, its bytes, and their masked CRC.
Source: tensorflow/core/lib/io/record_writer.h.
"""

import functools
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), bit-reversed
_BLOCK_SIZE = 2048  # bytes: 2 MB of tables, which stay in a core's cache


@functools.cache
def _tables() -> npt.NDArray[np.uint32]:
    """[k, b]: what byte b does to the CRC when k bytes follow it; a CRC is linear in its bytes."""
    state = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        state = (state >> 1) ^ np.where(state & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    tables = np.empty((_BLOCK_SIZE, 256), np.uint32)
    tables[0] = state
    for k in range(1, _BLOCK_SIZE):
        tables[k] = (tables[k - 1] >> 8) ^ state[tables[k - 1] & 0xFF]
    return tables


@functools.cache
def _rows() -> npt.NDArray[np.intp]:
    """Where the table of each byte of a full block begins in the flat tables: the last byte's is
    first."""
    return np.arange(_BLOCK_SIZE - 1, -1, -1) * 256


def crc32c(content: bytes) -> int:
    """CRC-32C of some bytes."""
    tables = _tables().ravel()
    crc = 0xFFFFFFFF
    for start in range(0, len(content), _BLOCK_SIZE):
        block = np.frombuffer(content, np.uint8, min(_BLOCK_SIZE, len(content) - start), start)
        indices = _rows()[_BLOCK_SIZE - len(block) :] + block
        # The four bytes of the CRC so far meet the first four of the block.
        for place in range(min(4, len(block))):
            indices[place] ^= crc >> 8 * place & 0xFF
        crc = int(np.bitwise_xor.reduce(tables.take(indices))) ^ crc >> 8 * len(block)
    return crc ^ 0xFFFFFFFF


def _masked(content: bytes) -> bytes:
    crc = crc32c(content)
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
    """Feature name -> its list as it is packed, of a tf.train.Example that `encode_record` made."""
    features = {}
    for _, message in _parts(record):
        for _, entry in _parts(message):
            name, value = (part for _, part in _parts(entry))
            lists = [values for _, inner in _parts(value) for _, values in _parts(inner)]
            features[name.decode()] = lists[0] if lists else b""
    return features


def read_ids(packed: bytes) -> list[int]:
    """The numbers of an integer feature of `read_features`."""
    numbers, place = [], 0
    while place < len(packed):
        number, place = _read_varint(packed, place)
        numbers.append(number)
    return numbers
