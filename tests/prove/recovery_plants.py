"""Mistakes in recovery: what is kept of a log, what is taken over from the exchange, and when a bot may go on.

Owns the plants that worlds with disasters must see. Source: docs/adr/0019-recovery.md.
"""

from typing import Final

from tests.prove.plant import Plant

LOG: Final = "engine/runtime/recovery_log.py"
EXCHANGE: Final = "engine/runtime/recovery_exchange.py"
REBUILD: Final = "engine/store/rebuild.py"

PLANTS: Final = (
    Plant(
        "order numbers go on after the last that a recovery kept",
        LOG,
        "            order_number=next_number(state.order_number, now_ms),\n",
        "            order_number=state.order_number,\n",
    ),
    Plant(
        "a recovery forgets which order numbers it left out",
        "engine/core/reducers/bot.py",
        "    return replace(state, recovery=recovery, order_number=last, skipped=state.skipped + lost)\n",
        "    return replace(state, recovery=recovery, order_number=last)\n",
    ),
    Plant(
        "a recovery takes over the orders of other logs",
        EXCHANGE,
        "        return parsed[1] if parsed is not None and parsed[0] == self._bot.state.log_id else None\n",
        "        return parsed[1] if parsed is not None else None\n",
    ),
    Plant(
        "a question of a recovery that nobody answered counts as not found",
        EXCHANGE,
        "            case Unknown(error=why) | OrderReport(missing=str(why)):\n",
        "            case Unknown():\n                return None\n            case OrderReport(missing=str(why)):\n",
    ),
    Plant(
        "a recovery takes the newest order over first",
        EXCHANGE,
        "        for number, placed in sorted((await self._unknown(trades)).items()):\n",
        "        for number, placed in sorted((await self._unknown(trades)).items(), reverse=True):\n",
    ),
    Plant(
        "a lot whose sell was taken over is for sale again",
        "engine/core/reducers/orders.py",
        "    return with_watch(replace(state, lots=lots))\n",
        "    return state\n",
    ),
    Plant(
        "what broke off in the midst of a decision is not decided to its end",
        LOG,
        "        await finish(log)\n",
        "",
    ),
    Plant(
        "the WAL of a damaged log stays beside the new one",
        REBUILD,
        "    for name in (WAL_NAME, SHM_NAME, JOURNAL_NAME):\n",
        "    for name in (SHM_NAME, JOURNAL_NAME):\n",
    ),
    Plant(
        "a recovery looks at no copy of the log",
        LOG,
        "        best = _longest(own, _copies(directory, named, work), mark)\n",
        "        best = own\n",
    ),
    Plant(
        "an engine starts although its recovery was not confirmed",
        "engine/runtime/bootstrap.py",
        "        if held is not None and held[0].recovery is not None:\n",
        "        if False:\n",
    ),
    Plant(
        "a recovery does not ask the witness whether the log has its end",
        LOG,
        "            witness = directory / WITNESS_NAME\n"
        "            compare(read_witness(witness), reader.position(), reader.checksum_at, witness)\n",
        "",
    ),
    Plant(
        "a yes lets the first bot of a log go on, and no other",
        "engine/runtime/recovery.py",
        "            for work in works:\n                await work.confirm(directory, clock, help_)\n",
        "            for work in works[:1]:\n                await work.confirm(directory, clock, help_)\n",
    ),
    Plant(
        "a log made anew has the witness of the damaged one",
        REBUILD,
        "        os.replace(work / WITNESS_NAME, directory / WITNESS_NAME)  # noqa: PTH105"
        " - one name for what tests interrupt\n",
        "",
    ),
    Plant(
        "a recovery keeps rows that are not what was written",
        "engine/store/salvage.py",
        "    return None if fault is None else f\"event {row[2]} of {stream}: {fault.partition(';')[0]}\"\n",
        "    return None\n",
    ),
    Plant(
        "an order is taken over without what it traded",
        EXCHANGE,
        "        await self._record([event, *answer_events(self._as_order(event), report)])\n",
        "        await self._record([event])\n",
    ),
    Plant(
        "only the first bot of a log is left in recovery",
        LOG,
        "        await begin(log, start, now_ms, bot_ids(log))\n",
        "        await begin(log, start, now_ms, bot_ids(log)[:1])\n",
    ),
)
