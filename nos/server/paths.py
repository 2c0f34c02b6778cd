"""gNMI paths of origin `sonic-db`: `/sonic-db:CONFIG_DB/localhost/TABLE/KEY/FIELD/INDEX`.

Source: sonic-gnmi sonic_data_client/mixed_db_client.go (ParseDatabase, gnmiFullPath, ConvertToJsonPatch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from finsy.proto.gnmi1 import gnmi_pb2

ORIGIN = "sonic-db"
MAX_ELEMS = 64
"""Of one path; those of SONiC have six."""
_DATABASES = ("APPL_DB", "ASIC_DB", "COUNTERS_DB", "CONFIG_DB", "STATE_DB")


_STATUS_BYTES = 1500
"""Of a status' text; it travels in HTTP/2 trailers, of which gRPC takes 8 KiB, each odd byte as three."""


def status_text(message: str) -> str:
    """A text as a status can carry it: cut, and without what is not UTF-8."""
    text = message.encode("utf-8", "replace")
    if len(text) <= _STATUS_BYTES:
        return text.decode()
    return text[:_STATUS_BYTES].decode("utf-8", "ignore") + " ..."


class RpcError(Exception):
    """What a gRPC call ends with: a status code and the text of it."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class DbPath:
    """A place in a database: the elems behind the instance, with `~0` and `~1` as they were sent."""

    database: str
    elems: tuple[str, ...]

    @property
    def pointer(self) -> str:
        """The JSON pointer that GCU gets. A `/` inside an elem splits it, which is why keys need `~1`."""
        return "".join("/" + elem for elem in self.elems)


def request_origin(prefix: gnmi_pb2.Path, paths: Sequence[gnmi_pb2.Path]) -> str:
    """The origin of a request; the prefix's comes before those of the paths.

    Raises:
        RpcError: UNIMPLEMENTED for paths that do not agree.
    """
    origins = {prefix.origin} if prefix.origin else {path.origin for path in paths}
    if len(origins) > 1:
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, "Origin conflict in path")
    return origins.pop() if origins else ""


def check_writable(prefix: gnmi_pb2.Path, paths: Sequence[gnmi_pb2.Path]) -> str:
    """Let a Set through; the service, as roles name it, whose database it opens, whatever its target says.

    Raises:
        RpcError: UNIMPLEMENTED for another origin and for paths that do not agree; else as `parse_paths`.
    """
    if request_origin(prefix, paths) != ORIGIN:
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, "Translib write is disabled")
    return f"gnmi_{parse_paths(prefix, paths)[0].database.lower()}"


def parse_paths(prefix: gnmi_pb2.Path, paths: Sequence[gnmi_pb2.Path]) -> list[DbPath]:
    """The places that a request names; all in one database.

    Raises:
        RpcError: NOT_FOUND, with the text of the error that sonic-gnmi wraps.
    """
    result: list[tuple[str, ...]] = []
    for path in paths:
        elems = (*elem_names(prefix), *elem_names(path)) if path.elem else ()
        if not elems:
            continue
        if len(elems) < 2:
            raise _not_found("Invalid elem length")
        if result and result[0][0] != elems[0]:
            raise _not_found("Target conflict in path")
        if result and result[0][1] != elems[1]:
            raise _not_found("Namespace/container conflict in path")
        result.append(elems)
    if not paths:
        raise _not_found("No valid path")
    if len(result) < len(paths):
        raise _not_found("No target specified in path")
    if result[0][0] not in _DATABASES:
        raise _not_found("Invalid target: ns , container ")
    return [DbPath(elems[0], elems[2:]) for elems in result]


def elem_names(path: gnmi_pb2.Path) -> tuple[str, ...]:
    """Elem names. The keys of an elem become part of its name, where they match nothing in a database.

    Raises:
        RpcError: RESOURCE_EXHAUSTED for more elems than any path has.
    """
    if len(path.elem) > MAX_ELEMS:
        raise RpcError(
            grpc.StatusCode.RESOURCE_EXHAUSTED, f"a path of {len(path.elem)} elems; at most {MAX_ELEMS}"
        )
    return tuple(
        elem.name + "".join(f"[{key}={value}]" for key, value in sorted(elem.key.items()))
        if elem.key
        else elem.name
        for elem in path.elem
    )


def _not_found(message: str) -> RpcError:
    text = f"rpc error: code = Unimplemented desc = {message}"
    return RpcError(grpc.StatusCode.NOT_FOUND, text)
