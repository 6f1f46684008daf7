"""Messages between a process and its workers: JSON, and arrays through shared memory.

A message is one JSON object over a Unix socket. Its arrays lie one after another in an anonymous
memory file whose descriptor travels with the message: the receiver maps the very pages the sender
wrote, nothing is pickled, and memory that has no name cannot be left behind by a kill. It is not
counted against the size of `/dev/shm`, which containers keep at 64 MB.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import socket
import struct
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["receive", "send"]

_LENGTH = struct.Struct("<Q")
_LONGEST = 64 << 20
_ALIGN = 64


def send(
    channel: socket.socket,
    message: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Send `message` (JSON values) and `arrays` by name; raises `OSError` if nobody listens."""
    places, total = _laid_out(arrays or {})
    body = json.dumps({"message": message, "arrays": places, "bytes": total}).encode()
    head = _LENGTH.pack(len(body))
    if total:
        memory = _written(arrays or {}, places, total)
        try:
            socket.send_fds(channel, [head], [memory])
        finally:
            os.close(memory)
    else:
        channel.sendall(head)
    channel.sendall(body)


def receive(channel: socket.socket) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the next message and its arrays, which share the sender's memory.

    Raises `EOFError` at the end of the channel, `TimeoutError` by the channel's time limit and
    `ValueError` for what is no message.
    """
    head, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, 1)
    try:
        head += _exactly(channel, _LENGTH.size - len(head)) if head else b""
        if not head:
            raise EOFError("the channel is closed")
        length = _LENGTH.unpack(head)[0]
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes")
        value = json.loads(_exactly(channel, length))
        arrays = _mapped(descriptors, value["arrays"], value["bytes"])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return value["message"], arrays


def _exactly(channel: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        piece = channel.recv(min(count - len(content), 1 << 20))
        if not piece:
            raise EOFError("the channel closed inside a message")
        content += piece
    return bytes(content)


def _laid_out(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[dict[str, Any]], int]:
    places, end = [], 0
    for name, array in arrays.items():
        start = -(-end // _ALIGN) * _ALIGN
        end = start + array.nbytes
        places.append(
            {"name": name, "type": array.dtype.str, "shape": list(array.shape), "start": start}
        )
    return places, end


def _written(arrays: Mapping[str, NDArray[Any]], places: list[dict[str, Any]], total: int) -> int:
    """Return a descriptor of new anonymous memory that holds the arrays."""
    import numpy as np

    memory = _anonymous()
    try:
        os.ftruncate(memory, total)
        for place in places:
            content = np.ascontiguousarray(arrays[place["name"]]).reshape(-1).view(np.uint8)
            rest, at = memoryview(content.data), int(place["start"])
            while rest:
                count = os.pwrite(memory, rest[: 1 << 28], at)
                rest, at = rest[count:], at + count
    except BaseException:
        os.close(memory)
        raise
    return memory


def _anonymous() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("onethinker", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # has no name either, but lies on a disk
        return os.dup(file.fileno())


def _mapped(
    descriptors: list[int], places: list[dict[str, Any]], total: int
) -> dict[str, NDArray[Any]]:
    import numpy as np

    if not total:
        return {place["name"]: _empty(place) for place in places}
    if not descriptors or os.fstat(descriptors[0]).st_size < total:
        raise ValueError("a message without its arrays")
    memory = mmap.mmap(descriptors[0], total)
    arrays = {}
    for place in places:
        shape = tuple(place["shape"])
        flat = np.frombuffer(memory, place["type"], math.prod(shape), place["start"])
        arrays[place["name"]] = flat.reshape(shape)
    return arrays


def _empty(place: Mapping[str, Any]) -> NDArray[Any]:
    import numpy as np

    return np.empty(tuple(place["shape"]), place["type"])
