"""Numbers for the browser: a JSON document and arrays of fixed width in one compressed text.
`static/data.js` is the other side.

Layout before compression (zlib) and base64: length of the document (uint32), the document, then the
arrays, each at a multiple of 8 bytes. Little endian. The document's `arrays` says where each array
lies.
"""

from __future__ import annotations

import base64
import sys
import zlib
from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa

ALIGNMENT = 8
TYPES = {pa.uint8(): "Uint8Array", pa.int16(): "Int16Array", pa.int32(): "Int32Array"}
"""Arrow types by the name of the browser's typed array."""


def encode(document: Mapping[str, Any], arrays: Mapping[str, pa.Array]) -> str:
    """A document and arrays without NULLs as one text of the base64 alphabet."""
    if sys.byteorder != "little":
        raise RuntimeError("pages are written on little-endian machines only")
    places: dict[str, tuple[str, int, int]] = {}
    buffers: list[bytes] = []
    end = 0
    for name, array in arrays.items():
        data = _bytes(array)
        places[name] = (TYPES[array.type], end, len(array))
        buffers.append(data + bytes(-len(data) % ALIGNMENT))
        end += len(buffers[-1])
    text = orjson.dumps({**document, "arrays": places})
    # JSON may end in blanks
    text += b" " * (-(len(text) + 4) % ALIGNMENT)
    return base64.b64encode(
        zlib.compress(len(text).to_bytes(4, "little") + text + b"".join(buffers))
    ).decode()


def decode(text: str) -> tuple[dict[str, Any], dict[str, pa.Array]]:
    data = zlib.decompress(base64.b64decode(text))
    size = int.from_bytes(data[:4], "little")
    document: dict[str, Any] = orjson.loads(data[4 : 4 + size])
    kinds = {name: kind for kind, name in TYPES.items()}
    arrays = {}
    for name, (kind, start, length) in document.pop("arrays").items():
        buffer = pa.py_buffer(data[4 + size + start :])
        arrays[name] = pa.Array.from_buffers(kinds[kind], length, [None, buffer])
    return document, arrays


def _bytes(array: pa.Array) -> bytes:
    if array.null_count:
        raise ValueError(
            f"an array of {array.type} has NULLs, which the browser's arrays cannot hold"
        )
    width = array.type.bit_width // 8
    buffer: pa.Buffer = array.buffers()[1]
    return (
        buffer[array.offset * width : (array.offset + len(array)) * width].to_pybytes()
        if len(array)
        else b""
    )
