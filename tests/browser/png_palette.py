"""Screenshots with 256 colours, a third of the bytes: pages are flat with few edges.

Reads what Chromium writes (PNG, eight bits, RGB or RGBA without transparency, no
interlacing), writes PNG with a palette.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def reduce_colours(png: bytes) -> bytes:
    """The same picture; a colour too many becomes its nearest neighbour."""
    width, height, pixels = _pixels(png)
    counted = Counter(pixels)
    palette = [colour for colour, _ in counted.most_common(256)]
    places = {colour: place for place, colour in enumerate(palette)}
    for colour in counted:
        if colour not in places:
            places[colour] = min(
                range(256), key=lambda n: _colour_distance(palette[n], colour)
            )
    rows = (pixels[start : start + width] for start in range(0, len(pixels), width))
    body = b"".join(b"\0" + bytes(places[colour] for colour in row) for row in rows)
    return (
        SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", b"".join(palette))
        + _chunk(b"IDAT", zlib.compress(body, 9))
        + _chunk(b"IEND", b"")
    )


def _colour_distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def _pixels(png: bytes) -> tuple[int, int, list[bytes]]:
    assert png[:8] == SIGNATURE
    place, packed = 8, b""
    width = height = depth = 0
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, bits, colours, *_ = struct.unpack(">IIBBBBB", body)
            assert bits == 8
            depth = {2: 3, 6: 4}[colours]
        if kind == b"IDAT":
            packed += body
        place += length + 12
    raw, before = zlib.decompress(packed), bytearray(width * depth)
    found: list[bytes] = []
    for row in range(height):
        start = row * (width * depth + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * depth])
        _unfilter(raw[start], line, before, depth)
        found += [bytes(line[at : at + 3]) for at in range(0, len(line), depth)]
        before = line
    return width, height, found


def _unfilter(kind: int, line: bytearray, above: bytearray, depth: int) -> None:
    """PNG's filters 0 to 4: each byte was told by its neighbours."""
    for at in range(len(line)):
        left = line[at - depth] if at >= depth else 0
        corner = above[at - depth] if at >= depth else 0
        up = above[at]
        guess = (0, left, up, (left + up) // 2, _paeth_predictor(left, up, corner))[
            kind
        ]
        line[at] = (line[at] + guess) & 255


def _paeth_predictor(left: int, up: int, corner: int) -> int:
    """Paeth's predictor, as the PNG specification has it."""
    sum_ = left + up - corner
    far = (abs(sum_ - left), abs(sum_ - up), abs(sum_ - corner))
    return (left, up, corner)[far.index(min(far))]
