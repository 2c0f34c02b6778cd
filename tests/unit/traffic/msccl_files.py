"""Schedules in MSCCL's XML, made here from the descriptions of the algorithms."""

from __future__ import annotations

Step = tuple[str, str, int, str, int, int, tuple[int, int]]
"""type, source buffer and offset, target buffer and offset, count, (thread block, step) to wait for."""

Block = tuple[int, int, int, list[Step]]
"""Peer to send to, peer to receive from, channel, steps."""

NONE = (-1, -1)


def document(collective: str, chunks: int, in_place: bool, gpus: list[list[Block]], protocol="Simple") -> str:
    """The file, a step a line."""
    lines = [
        f'<algo name="test" proto="{protocol}" nchannels="1" nchunksperloop="{chunks}" ngpus="{len(gpus)}"'
        f' coll="{collective}" inplace="{int(in_place)}">'
    ]
    for rank, blocks in enumerate(gpus):
        lines.append(f'  <gpu id="{rank}" i_chunks="{chunks}" o_chunks="{chunks}" s_chunks="{chunks}">')
        for number, (send, recv, channel, steps) in enumerate(blocks):
            lines.append(f'    <tb id="{number}" send="{send}" recv="{recv}" chan="{channel}">')
            lines += [f"      {_step(place, *step)}" for place, step in enumerate(steps)]
            lines.append("    </tb>")
        lines.append("  </gpu>")
    return "\n".join([*lines, "</algo>", ""])


def _step(place, kind, source, source_at, target, target_at, count, after) -> str:
    return (
        f'<step s="{place}" type="{kind}" srcbuf="{source}" srcoff="{source_at}" dstbuf="{target}"'
        f' dstoff="{target_at}" cnt="{count}" depid="{after[0]}" deps="{after[1]}" hasdep="0"/>'
    )


def ring_all_reduce(ranks: int, protocol="Simple") -> str:
    """One thread block each: what comes is added and passed on n - 1 times, then passed on n - 2 times."""

    def steps(rank: int) -> list[Step]:
        chunk = [(rank - hop) % ranks for hop in range(2 * ranks)]
        kinds = ["s", *["rrs"] * (ranks - 2), "rrcs", *["rcs"] * (ranks - 2), "r"]
        return [(kind, "i", chunk[hop], "i", chunk[hop], 1, NONE) for hop, kind in enumerate(kinds)]

    blocks = [[((rank + 1) % ranks, (rank - 1) % ranks, 0, steps(rank))] for rank in range(ranks)]
    return document("allreduce", ranks, True, blocks, protocol)


def all_pairs_all_reduce(ranks: int) -> str:
    """Each gets its share (n chunks) from all others into scratch, adds it up, and sends the sums to all."""

    def blocks(rank: int) -> list[Block]:
        peers = [peer for peer in range(ranks) if peer != rank]
        own = rank * ranks
        sums: list[Step] = [
            ("re", "s", place * ranks, "i", own, ranks, (place, 1)) for place in range(ranks - 1)
        ]
        talk: list[Block] = [
            (
                peer,
                peer,
                0,
                [
                    ("s", "i", peer * ranks, "s", 0, ranks, NONE),
                    ("r", "i", own, "s", place * ranks, ranks, NONE),
                    ("s", "i", own, "i", own, ranks, (ranks - 1, ranks - 2)),
                    ("r", "i", peer * ranks, "i", peer * ranks, ranks, NONE),
                ],
            )
            for place, peer in enumerate(peers)
        ]
        return [*talk, (-1, -1, 0, sums)]

    return document("allreduce", ranks * ranks, True, [blocks(rank) for rank in range(ranks)])


def doubling_all_gather(ranks: int) -> str:
    """Exchanges of 1, 2, 4 ... shares with the rank 1, 2, 4 ... away, a thread block for each."""

    def blocks(rank: int) -> list[Block]:
        found: list[Block] = []
        count = 1
        while count < ranks:
            peer, after = rank ^ count, (len(found) - 1, 1) if found else NONE
            mine, theirs = (each // count * count for each in (rank, peer))
            send: Step = ("s", "o", mine, "o", mine, count, after)
            found.append((peer, peer, 0, [send, ("r", "o", theirs, "o", theirs, count, NONE)]))
            count *= 2
        return found

    return document("allgather", ranks, True, [blocks(rank) for rank in range(ranks)])


def all_pairs_all_to_all(ranks: int) -> str:
    """A block to each other rank, and a copy of the own one."""

    def blocks(rank: int) -> list[Block]:
        talk: list[Block] = [
            (peer, peer, 0, [("s", "i", peer, "o", rank, 1, NONE), ("r", "i", rank, "o", peer, 1, NONE)])
            for peer in range(ranks)
            if peer != rank
        ]
        return [*talk, (-1, -1, 0, [("cpy", "i", rank, "o", rank, 1, NONE)])]

    return document("alltoall", ranks, False, [blocks(rank) for rank in range(ranks)])


def two_step_all_to_all(servers: int, size: int) -> str:
    """Blocks for another server are gathered on the rank of the same place, which sends one message."""

    def blocks(rank: int) -> list[Block]:
        server, own = divmod(rank, size)
        others = [(server + distance) % servers for distance in range(1, servers)]
        inside: dict[int, list[Step]] = {place: [] for place in range(size) if place != own}
        gathered: list[Step] = []
        for number, there in enumerate(others):
            gathered.append(("cpy", "i", there * size + own, "s", number * size + own, 1, NONE))
            for place, steps in inside.items():
                steps.append(("s", "i", there * size + place, "s", number * size + own, 1, NONE))
                steps.append(("r", "i", 0, "s", number * size + place, 1, NONE))
        for place, steps in inside.items():
            peer = server * size + place
            steps += [("s", "i", peer, "o", rank, 1, NONE), ("r", "i", 0, "o", peer, 1, NONE)]
        gathered.append(("cpy", "i", rank, "o", rank, 1, NONE))
        found: list[Block] = [
            (server * size + place, server * size + place, 0, steps) for place, steps in inside.items()
        ]
        found.append((-1, -1, 0, gathered))
        for number, there in enumerate(others):
            sender = others[len(others) - 1 - number]
            waits: list[Step] = [
                ("nop", "i", 0, "i", 0, 0, (block, 2 * number + 1)) for block in range(size - 1)
            ]
            send: Step = ("s", "s", number * size, "o", server * size, size, (size - 1, number))
            receive: Step = ("r", "s", 0, "o", sender * size, size, NONE)
            found.append((there * size + own, sender * size + own, 1 + number, [*waits, send, receive]))
        return found

    chunks = servers * size
    return document("alltoall", chunks, False, [blocks(rank) for rank in range(chunks)])
