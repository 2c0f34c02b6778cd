"""Chakra traces, written here by Protocol Buffers' own library, run as their nodes say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint
from google.protobuf.internal.encoder import _VarintBytes

from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.traces.chakra_files import chakra_files, lost_in_chakra
from raddle.lab.run.settings import RunSettings
from raddle.lab.workload import WorkloadRequest, run_workload
from raddle.report.workload import WorkloadResult
from raddle.topology import loads
from raddle.topology.model import Fabric
from tests.fabrics import servers_of_four

US = 10**6
COMP, SEND, RECV, COLL = 4, 5, 6, 7
KINDS = {"uint64": 4, "int32": 5, "int64": 3, "string": 9, "message": 11, "bool": 8}


def _classes() -> dict[str, Any]:
    """GlobalMetadata, AttributeProto and Node with the numbers of mlcommons/chakra's et_def.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="et.proto", package="t", syntax="proto3")
    for name, fields in {
        "AttributeProto": [
            ("name", 1, "string", False), ("int32_val", 7, "int32", False), ("int64_val", 9, "int64", False),
            ("uint64_val", 13, "uint64", False), ("bool_val", 27, "bool", False),
            ("string_val", 29, "string", False),
        ],
        "GlobalMetadata": [("version", 1, "string", False)],
        "Node": [
            ("id", 1, "uint64", False), ("name", 2, "string", False), ("type", 3, "int32", False),
            ("ctrl_deps", 4, "uint64", True), ("data_deps", 5, "uint64", True),
            ("duration_micros", 7, "uint64", False), ("attr", 10, "message", True),
        ],
    }.items():  # fmt: skip
        message = file.message_type.add(name=name)
        if name == "AttributeProto":
            message.oneof_decl.add(name="value")
        for field, number, kind, repeats in fields:
            added = message.field.add(name=field, number=number, type=KINDS[kind], label=3 if repeats else 1)
            if field.endswith("_val"):
                added.oneof_index = 0
            if kind == "message":
                added.type_name = ".t.AttributeProto"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}"))
        for name in ("GlobalMetadata", "Node")
    }


CLASSES = _classes()


def node(number: int, kind: int, after: list[int] | None = None, time_us: int = 0, **attributes: Any) -> Any:
    made = CLASSES["Node"](id=number, type=kind, data_deps=after or [], duration_micros=time_us)
    for name, value in attributes.items():
        held = {"string_val": value} if isinstance(value, str) else {"int64_val": value}
        made.attr.add(name=name, **held)
    return made


def trace(nodes: list[Any]) -> bytes:
    parts = [CLASSES["GlobalMetadata"](version="0.0.4"), *nodes]
    return b"".join(_VarintBytes(part.ByteSize()) + part.SerializeToString() for part in parts)


@pytest.fixture(scope="module")
def pod() -> Fabric:
    """2 servers of 4 accelerators, each with a NIC of 100G."""
    return loads(servers_of_four(2) + "roce: {congestion_control: none}\n")


def read(fabric: Fabric, folder: Path, files: list[bytes], ranks: str) -> Any:
    for rank, data in enumerate(files):
        (folder / f"t.{rank}.et").write_bytes(data)
    (folder / "w.yaml").write_text(f"raddle: 1\nname: w\nranks: {ranks}\nnodes: {{t: {{chakra: t}}}}\n")
    return read_workload(fabric, folder / "w.yaml")


def run(fabric: Fabric, folder: Path, files: list[bytes], ranks: str) -> WorkloadResult:
    graph = read(fabric, folder, files, ranks)
    return run_workload(fabric, WorkloadRequest(graph, "ecmp", RunSettings(fidelity="fluid")))


def test_nodes_compute_and_send_after_one_another(pod: Fabric, tmp_path: Path) -> None:
    size = 4_000_000
    first = [
        node(1, COMP, time_us=50),
        node(2, SEND, [1], comm_size=size, comm_dst=1, comm_tag=7),
        node(3, RECV, comm_size=size, comm_src=1, comm_tag=8),
    ]
    second = [
        node(10, RECV, comm_size=size, comm_src=0, comm_tag=7),
        node(11, COMP, [10], time_us=30),
        node(12, SEND, [11], comm_size=size, comm_dst=0, comm_tag=8),
    ]
    files, ranks = [trace(first), trace(second)], "{placement: strided, count: 2}"
    job = run(pod, tmp_path, files, ranks).jobs[0]
    assert job.free_ps == 80 * US
    wire_us = size * 4178 / 4096 * 8 / 100e3
    assert job.time_ps is not None
    assert job.time_ps / US == pytest.approx(80 + 2 * wire_us, abs=15)


def test_collectives_meet_by_group_and_turn(pod: Fabric, tmp_path: Path) -> None:
    share = 1 << 20
    files = [
        trace([
            node(1, COLL, comm_type=0, comm_size=4 * share, pg_name="all"),
            node(2, COMP, [1], time_us=10 * rank),
            node(3, COLL, [2], comm_type=2, comm_size=share, pg_name=f"half {rank % 2}"),
        ])
        for rank in range(8)
    ]  # fmt: skip
    result = run(pod, tmp_path, files, "{count: 8}")
    steps = read(pod, tmp_path, files, "{count: 8}").jobs[0].nodes[0].steps
    gathers = [part for step in steps if step.label == "all_gather" for part in step.parts]
    assert sorted(part.ranks.tolist() for part in gathers) == [[0, 2, 4, 6], [1, 3, 5, 7]]
    for part in gathers:
        assert part.messages is not None
        # All four shares: each rank sends 3 of them round the ring.
        assert part.messages.schedule.size_bytes.sum() == 4 * 3 * share
    assert result.jobs[0].time_ps is not None
    assert result.jobs[0].shares_ps["all_reduce"] > 0


LONE = [node(1, COMP, time_us=5), node(2, COMP, [1], time_us=6)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no node in 0 bytes"),
        (trace(LONE)[:-3], "a message of 9 bytes of which 6 are there, at byte"),
        (trace(LONE)[:-9], "a message of 9 bytes of which 0 are there, at byte"),
        (b"\xff" * 30, "a number without end, at byte 0 of 30"),
        (trace([node(1, COMP, [9])]), "node 1 waits for node 9, which there is not"),
        (trace([node(1, COMP), node(1, COMP)]), "two nodes have one number"),
        (trace([node(1, COMP, [2]), node(2, COMP, [1])]), "node 1: operations wait for one another"),
        (trace([node(1, SEND, comm_dst=1)]), "node 1 has no number 'comm_size'"),
        (trace([node(1, SEND, comm_dst=5, comm_size=1)]), "node 1 is a message of rank 0 and rank 5"),
        (trace([node(1, COLL, comm_type=5, comm_size=1)]), "node 1 is a broadcast (comm_type 5)"),
        (trace([node(1, SEND, comm_dst=1, comm_size=8)]), "node 1: rank 1 does not receive this message"),
        (trace([node(4, COLL, comm_type=0, comm_size=8)]), "all_reduce of 16 B where rank 0 has"),
    ],
)  # fmt: skip
def test_what_is_cut_off_or_wrong_is_told_once(
    pod: Fabric, tmp_path: Path, data: bytes, message: str
) -> None:
    other = [node(1, COLL, comm_type=0, comm_size=16)] if "all_reduce" in message else LONE
    with pytest.raises(InputError) as refused:
        read(pod, tmp_path, [data, trace(other)], "{count: 2}")
    assert len(refused.value.diagnostics) == 1
    assert refused.value.diagnostics[0].code == "bad-trace"
    assert message in str(refused.value)


def test_every_cut_of_a_trace_is_an_error_or_a_shorter_trace(pod: Fabric, tmp_path: Path) -> None:
    whole, ends_of_nodes = trace(LONE), len(trace(LONE[:1]))
    for size in range(len(whole)):
        if size == ends_of_nodes:
            assert len(read(pod, tmp_path, [whole[:size]], "{count: 1}").jobs[0].nodes[0].steps) == 1
            continue
        with pytest.raises(InputError, match="bad-trace"):
            read(pod, tmp_path, [whole[:size]], "{count: 1}")


def test_a_rank_without_a_file_is_told(pod: Fabric, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"error\[no-trace\]: cannot read '.*t.1.et': there is no such file"):
        read(pod, tmp_path, [trace(LONE)], "{count: 2}")


WRITTEN = [
    "a: {compute: 5us}, c: {collective: all_reduce, algorithm: halving_doubling, size: 4MB, after: a}",
    "t: {training: own, layers: 2, hidden: 64, sequence: 8, layer_params: 90, micro_batches: 1,"
    " forward: 6us}",
]


@pytest.mark.parametrize("nodes", WRITTEN)
def test_a_workload_goes_out_and_comes_back_with_its_bytes_and_times(
    pod: Fabric, tmp_path: Path, nodes: str
) -> None:
    (tmp_path / "w.yaml").write_text(f"raddle: 1\nname: w\nranks: {{count: 8}}\nnodes: {{{nodes}}}\n")
    graph = read_workload(pod, tmp_path / "w.yaml")
    laid_out = assemble(graph)
    lost = list(lost_in_chakra(laid_out))
    assert lost[0] == "which messages are of one collective"
    assert not any("microsecond" in each for each in lost)
    files = chakra_files(laid_out, "t")
    assert list(files) == [f"t.{rank}.et" for rank in range(8)]
    there = run_workload(pod, WorkloadRequest(graph, "ecmp", RunSettings(fidelity="fluid"))).jobs[0]
    back = run(pod, tmp_path, list(files.values()), "{count: 8}").jobs[0]
    assert back.sent_bytes == there.sent_bytes
    assert back.free_ps == there.free_ps
    assert back.time_ps == pytest.approx(there.time_ps, rel=0.02)


def test_what_is_written_is_read_by_protocol_buffers_own_library(pod: Fabric, tmp_path: Path) -> None:
    nodes = "a: {compute: 2500ns, group: x}, s: {send: 4MB, from: x, to: y, after: a}"
    (tmp_path / "w.yaml").write_text(
        f"raddle: 1\nname: w\ngroups: {{x: {{ranks: 0}}, y: {{ranks: 4}}}}\nnodes: {{{nodes}}}\n"
    )
    laid_out = assemble(read_workload(pod, tmp_path / "w.yaml"))
    assert "parts of a microsecond" in list(lost_in_chakra(laid_out))
    data = chakra_files(laid_out, "t")["t.0.et"]
    found = []
    while data:
        size, at = _DecodeVarint(data, 0)
        found.append(data[at : at + size])
        data = data[at + size :]
    assert CLASSES["GlobalMetadata"].FromString(found[0]).version
    first, *_, send = (CLASSES["Node"].FromString(each) for each in found[1:])
    assert (first.type, first.duration_micros) == (COMP, 2)
    assert send.type == SEND
    assert list(send.data_deps)
    held = {each.name: each.int64_val or each.int32_val for each in send.attr}
    assert held["comm_size"] == 4_000_000
    assert held["comm_dst"] == 4
