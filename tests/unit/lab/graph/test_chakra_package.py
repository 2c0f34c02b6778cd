"""MLCommons' own package (mlc-chakra, no dependency) writes what is read here, and reads what is written."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from raddle.errors import InputError
from raddle.lab.graph.assemble import assemble
from raddle.lab.graph.file import read_workload
from raddle.lab.graph.traces.chakra import read_chakra
from raddle.lab.graph.traces.chakra_files import chakra_files
from raddle.topology import loads
from tests.fabrics import servers_of_four

WHY = "mlc-chakra is not installed (pip install --no-deps mlc-chakra)"
et = pytest.importorskip("chakra.schema.protobuf.et_def_pb2", reason=WHY)
protolib = pytest.importorskip("chakra.src.third_party.utils.protolib", reason=WHY)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    command = [sys.executable, "-m", "chakra.src.generator.generator", "--num_npus", "4"]
    subprocess.run([*command, "--default_comm_size", "65536"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("name", ["ALL_REDUCE", "ALL_GATHER", "REDUCE_SCATTER", "ALL_TO_ALL"])
def test_collectives_of_its_generator_are_read(generated: Path, name: str) -> None:
    found = read_chakra(generated / name, 4).operations
    assert [(each.rank, each.collective, each.size_bytes) for each in found] == [
        (rank, name.lower(), 65536) for rank in range(4)
    ]


def test_computing_of_its_generator_is_read_with_what_it_waits_for(generated: Path) -> None:
    found = read_chakra(generated / "two_comp_nodes_dependent", 4).operations
    assert [(each.rank, each.time_ps, each.after) for each in found[:4]] == [
        (0, 5_000_000, []),
        (0, 5_000_000, [0]),
        (1, 5_000_000, []),
        (1, 5_000_000, [2]),
    ]


@pytest.mark.parametrize("name", ["BROADCAST", "BARRIER"])
def test_what_is_not_simulated_is_refused_by_its_name(generated: Path, name: str) -> None:
    with pytest.raises(InputError) as error:
        read_chakra(generated / name, 4)
    assert f"is a {name.lower()} (comm_type" in error.value.diagnostics[0].message


def test_it_reads_what_is_exported(tmp_path: Path) -> None:
    fabric = loads(servers_of_four(2))
    text = "nodes:\n  c: {compute: 50us}\n  r: {collective: all_reduce, size: 8MB, after: c}\n"
    (tmp_path / "w.yaml").write_text(f"raddle: 1\nname: w\nranks: {{count: 4}}\n{text}")
    laid_out = assemble(read_workload(fabric, tmp_path / "w.yaml"))
    files = chakra_files(laid_out, "t")
    sent = 0
    for rank in range(4):
        stream, metadata, nodes = BytesIO(files[f"t.{rank}.et"]), et.GlobalMetadata(), []
        assert protolib.decodeMessage(stream, metadata)
        node = et.Node()
        while protolib.decodeMessage(stream, node):
            nodes.append(node)
            node = et.Node()
        computing = [each.duration_micros for each in nodes if each.type == et.COMP_NODE]
        assert [each for each in computing if each] == [50]
        for each in nodes:
            if each.type == et.COMM_SEND_NODE:
                held = {one.name: getattr(one, one.WhichOneof("value")) for one in each.attr}
                assert held["comm_src"] == rank
                sent += held["comm_size"]
    # A ring of 4: each sends 3 / 4 of the buffer twice.
    assert sent == 4 * 2 * 3 * 2_000_000
