"""An operator's console: SONiC's config and clear commands on the switch itself, as a call with their words.

`/raddle.Console/Run` takes a JSON list of words and answers with what the command prints, or an error. SONiC
has no such service: an operator logs in there. Rights are those of gNOI. `cable pull PORT` and `cable plug
PORT` are no commands of SONiC: they are a hand at the cable.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import grpc.aio

from raddle.nos.db.gcu import apply_patch, replace_config
from raddle.nos.db.patch import PatchError, read_patch
from raddle.nos.operator import CommandError, watermarks_of
from raddle.nos.server.auth import identify
from raddle.nos.server.changes import Changes
from raddle.nos.server.passwords import Passwords
from raddle.nos.server.paths import RpcError, status_text
from raddle.nos.server.wire import unary
from raddle.nos.server.work import Work
from raddle.nos.switch import SimulatedSwitch

SERVICE = "raddle.Console"


def console_handler(
    switch: SimulatedSwitch,
    passwords: Passwords,
    work: Work,
    changes: Changes,
    boot_s: float,
    plug: Callable[[str, bool], None],
) -> grpc.GenericRpcHandler:
    """What a server needs to serve a switch's console; `plug` pulls the cable at a port, or plugs it in."""

    async def run(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        answer = ""
        try:
            identify(switch.databases.config, passwords, context).check("gnoi", writes=True)
            words = json.loads(request)
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise CommandError("a command is a list of words")
            if words == ["reload"]:
                _reload(switch, boot_s)
            elif len(words) == 3 and words[0] == "cable" and words[1] in ("pull", "plug"):
                await asyncio.to_thread(_plug, plug, words[2], words[1] == "plug")
            else:
                # A change that has begun is made to its end, also when the client is gone.
                making = asyncio.ensure_future(_run(switch, changes, context.peer(), words))
                answer = await asyncio.shield(making)
        except RpcError as error:
            await context.abort(error.code, status_text(error.message))
        except (CommandError, PatchError, ValueError, RecursionError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, status_text(str(error)))
        return answer.encode()

    method = unary(work, bytes, run, bytes)
    return grpc.method_handlers_generic_handler(SERVICE, {"Run": method})


async def _run(switch: SimulatedSwitch, changes: Changes, peer: str, words: list[str]) -> str:
    """Run a command; what it prints."""
    kept = switch.checkpoints
    match words:
        case ["clear", *rest]:
            await changes.run(peer, partial(switch.clear_watermarks, *watermarks_of(rest)))
        case ["apply-patch", text]:
            await changes.make(peer, lambda: partial(apply_patch, operations=read_patch(text)))
        case ["checkpoint", name]:
            await changes.run(peer, lambda: kept.save(name, switch.databases.config))
            return "Checkpoint created successfully."
        case ["rollback", name]:
            await changes.make(peer, lambda: partial(replace_config, document=kept.load(name)))
            return "Config rolled back successfully."
        case ["delete-checkpoint", name]:
            await changes.run(peer, partial(kept.delete, name))
            return "Checkpoint deleted successfully."
        case ["list-checkpoints"]:
            return json.dumps(kept.names(), indent=4)
        case _:
            await changes.run(peer, partial(switch.run_config, words))
            return ""
    return "Patch applied successfully." if words[0] == "apply-patch" else ""


def _plug(plug: Callable[[str, bool], None], port: str, is_in: bool) -> None:
    try:
        plug(port, is_in)
    except KeyError:
        raise CommandError(f"no cable to another switch is at port '{port}'") from None


def _reload(switch: SimulatedSwitch, boot_s: float) -> None:
    """`config reload`: services stop, the saved or staged configuration is loaded, services start."""
    if not switch.shut_down():
        raise CommandError("a reboot is under way")
    asyncio.get_running_loop().call_later(boot_s, switch.start_up)
