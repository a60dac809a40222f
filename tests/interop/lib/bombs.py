"""Bodies that are small and inflate to much, in every encoding that a receiver takes; snappy and lz4 by hand (the harness has no library for them)."""
import gzip
import struct
import zlib

import zstandard


def varint(n):
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes((n,))


def fits(size):
    """A request of about `size` bytes, as its head and the number of zeros that follow: field 15, which nobody knows and nobody looks into."""
    return b"\x7a" + varint(size), size


def _crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = _TABLE[(crc ^ b) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def xxh32(data):
    """xxHash32 with seed 0 of fewer than 16 bytes (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    p1, p2, p3, p4, p5, mask = 2654435761, 2246822519, 3266489917, 668265263, 374761393, 0xFFFFFFFF
    assert len(data) < 16
    h = p5 + len(data)
    while len(data) >= 4:
        h = (h + struct.unpack_from("<I", data)[0] * p3) & mask
        h = (h << 17 | h >> 15) & mask
        h, data = h * p4 & mask, data[4:]
    for b in data:
        h = (h + b * p5) & mask
        h = (h << 11 | h >> 21) & mask
        h = h * p1 & mask
    h = (h ^ h >> 15) * p2 & mask
    h = (h ^ h >> 13) * p3 & mask
    return h ^ h >> 16


def snappy_block(head, zeros):
    """`head`, then zeros: a literal, and copies of the byte before, 64 at a time."""
    literal = head + b"\0"
    assert len(literal) <= 60
    whole, rest = divmod(zeros - 1, 64)
    out = varint(len(head) + zeros) + bytes(((len(literal) - 1) << 2,)) + literal + b"\xfe\x01\0" * whole
    return out + (bytes(((rest - 1) << 2 | 2, 1, 0)) if rest else b"")


def snappy_framed(head, zeros):
    """The framing format: chunks of 64 KiB, with their checksums."""
    out, chunk = [b"\xff\x06\0\0sNaPpY"], {}
    while head or zeros:
        n = min(zeros, 65536 - len(head))
        if (head, n) not in chunk:
            crc = crc32c(head + bytes(n))
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            body = struct.pack("<I", masked) + snappy_block(head, n)
            chunk[head, n] = b"\0" + struct.pack("<I", len(body))[:3] + body
        out.append(chunk[head, n])
        head, zeros = b"", zeros - n
    return b"".join(out)


def lz4(head, zeros):
    """A frame of independent blocks of 4 MiB, each a literal and a match that goes on and on."""
    descriptor = b"\x60\x70"
    out = [struct.pack("<I", 0x184D2204), descriptor, bytes((xxh32(descriptor) >> 8 & 255,))]
    while head or zeros:
        n = min(zeros, (4 << 20) - len(head))
        literal, match = head + b"\0", n - 1 - 5  # the last five bytes have to be literals
        assert len(literal) < 15
        if match < 19:  # too little for a match: as it is
            out += [struct.pack("<I", len(head) + n | 1 << 31), head + bytes(n)]
            head, zeros = b"", zeros - n
            continue
        more, last = divmod(match - 4 - 15, 255)
        block = bytes((len(literal) << 4 | 15,)) + literal + b"\x01\0" + b"\xff" * more + bytes((last,)) + b"\x50" + bytes(5)
        out += [struct.pack("<I", len(block)), block]
        head, zeros = b"", zeros - n
    return b"".join(out) + bytes(4)


def raw_deflate(content):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(content) + c.flush()


PACK = {
    "gzip": lambda head, zeros: gzip.compress(head + bytes(zeros)),
    "zlib": lambda head, zeros: zlib.compress(head + bytes(zeros)),
    "deflate": lambda head, zeros: raw_deflate(head + bytes(zeros)),
    "zstd": lambda head, zeros: zstandard.ZstdCompressor().compress(head + bytes(zeros)),
    "snappy": snappy_block,
    "x-snappy-framed": snappy_framed,
    "lz4": lz4
}
GRPC_NAME = {"x-snappy-framed": "snappy", "snappy": None}  # what gRPC calls snappy is the framing format
