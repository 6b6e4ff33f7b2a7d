"""Connections that begin as gRPC's do and then break its rules, or those of HTTP/2, as no library of a client does."""

import struct
from collections.abc import Callable, Mapping
from random import Random

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
FIELDS = {":method": "POST", ":scheme": "http", ":path": "", ":authority": "a", "te": "trailers",
          "content-type": "application/grpc"}  # fmt: skip


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 1) -> bytes:
    """Write a frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def fields(path: str, **changes: str) -> bytes:
    """Write headers as literals that nobody remembers (RFC 7541, 6.2.2), each of fewer than 127 bytes."""
    told = FIELDS | {":path": path} | {name.replace("_", "-"): value for name, value in changes.items()}
    coded = [text.encode() for pair in told.items() for text in pair]
    pairs = zip(coded[::2], coded[1::2], strict=True)
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)


def asked(path: str, message: bytes = b"\0\0\0\0\0", *, end: int = END_STREAM, **changes: str) -> bytes:
    """Write a request whose message has a prefix of its own making."""
    return frame(HEADERS, fields(path, **changes), flags=END_HEADERS) + frame(DATA, message, flags=end)


WAYS: Mapping[str, Callable[[Random, str], bytes]] = {
    "nothing more": lambda _, _path: b"",
    "random bytes": lambda chance, _: chance.randbytes(200),
    "a frame of no kind": lambda chance, _: frame(chance.randint(10, 255), chance.randbytes(20)),
    "a message longer than what comes": lambda _, path: asked(path, b"\0\xff\xff\xff\xffabc"),
    "half of a prefix": lambda _, path: asked(path, b"\0\0"),
    "compressed by no method": lambda _, path: asked(path, b"\1\0\0\0\3abc"),
    "a flag of no meaning": lambda _, path: asked(path, b"\7\0\0\0\0"),
    "a thousand messages": lambda _, path: asked(path, b"\0\0\0\0\0" * 1000),
    "no end": lambda _, path: asked(path, end=0),
    "another content": lambda _, path: asked(path, content_type="text/html"),
    "another method": lambda _, path: asked(path, **{":method": "BREW"}),
    "an encoding of no name": lambda _, path: asked(path, b"\1\0\0\0\3abc", grpc_encoding="lzma"),
    "a time that is none": lambda _, path: asked(path, grpc_timeout="99999999999999H"),
    "bytes in no base64": lambda _, path: asked(path, authorization_bin="***"),
    "a path that is none": lambda _, _path: asked("*"),
    "headers that are none": lambda chance, _: frame(HEADERS, chance.randbytes(40), flags=END_HEADERS),
    "headers without an end": lambda _, path: frame(HEADERS, fields(path)) + frame(DATA, b"\0\0\0\0\0"),
    "more headers to nothing": lambda _, path: frame(CONTINUATION, fields(path), flags=END_HEADERS),
    "data before headers": lambda _, _path: frame(DATA, b"\0\0\0\0\0", flags=END_STREAM),
    "data of no stream": lambda _, _path: frame(DATA, b"abc", stream=0),
    "an even stream": lambda _, path: frame(HEADERS, fields(path), flags=END_HEADERS, stream=2),
    "more padding than data": lambda _, path: frame(HEADERS, b"\xff" + fields(path), flags=END_HEADERS | PADDED),
    "a window of nothing": lambda _, _path: frame(WINDOW_UPDATE, bytes(4), stream=0),
    "a window too wide": lambda _, _path: frame(WINDOW_UPDATE, b"\x7f\xff\xff\xff", stream=0) * 2,
    "settings cut short": lambda _, _path: frame(SETTINGS, b"\0\4\0", stream=0),
    "a ping of another length": lambda _, _path: frame(PING, b"abc", stream=0),
    "opened and reset, often": lambda _, path: b"".join(
        frame(HEADERS, fields(path), flags=END_HEADERS, stream=number) + frame(RST_STREAM, bytes(4), stream=number)
        for number in range(1, 401, 2)
    ),
}
"""What is wrong with it -> what is sent after the preface and empty settings, to a method's path."""


def connection(chance: Random, way: str, path: str) -> bytes:
    return PREFACE + frame(SETTINGS, stream=0) + WAYS[way](chance, path)
