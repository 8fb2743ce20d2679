"""Mistakes in commands, connectivity, the state file and secrecy.

Owns the plants of what an operator asks for and is shown. Source: decisions.md, "Words", "Risk" and "Files".
"""

from typing import Final

from tests.prove.plant import Plant

COMMAND_PLANTS: Final = (
    Plant(
        "a command is answered before it is durable",
        "engine/runtime/world.py",
        "        await self._journal.commit([(seat.bot, seat.bot.observe([event], now_ms, view)) for seat in seats])\n"
        "        for seat in seats:\n",
        "        group = [(seat.bot, seat.bot.observe([event], now_ms, view)) for seat in seats]\n"
        "        self._committing = asyncio.ensure_future(self._journal.commit(group))\n"
        "        for seat in seats:\n",
    ),
    Plant(
        "a pause is answered while an order is leaving",
        "engine/runtime/live_world.py",
        "        if not any(executor.sending for executor in executors):\n",
        "        if True:\n",
    ),
    Plant(
        "a pause ends with the session",
        "engine/core/reducers/bot.py",
        "    return replace(state, stopping=False, halted=None, has_looked=False)\n",
        "    return replace(state, stopping=False, halted=None, has_looked=False, paused=False)\n",
    ),
    Plant(
        "a pause is a word only",
        "engine/core/reducers/blindness.py",
        "    return state.paused or state.connectivity.failure_count > 0\n",
        "    return state.connectivity.failure_count > 0\n",
    ),
    Plant(
        "prices are followed while the connection is lost",
        "engine/core/reducers/blindness.py",
        "    return state.paused or state.connectivity.failure_count > 0\n",
        "    return state.paused\n",
    ),
    Plant(
        "the kill switch lets purchases pass",
        "engine/core/decider/limits.py",
        "    return state.guard.kill is not None or at_ms < state.guard.halted_until_ms\n",
        "    return at_ms < state.guard.halted_until_ms\n",
    ),
    Plant(
        "trails outlive the operator's reset",
        "engine/core/decider/commands.py",
        '            draft.reset_trails("manual")\n',
        "            pass\n",
    ),
    Plant(
        "the wait after failures grows by steps, not by doubling",
        "engine/core/backoff.py",
        "    return min(FIRST_S << doublings, MOST_S)\n",
        "    return min(FIRST_S * (doublings + 1), MOST_S)\n",
    ),
    Plant(
        "a lost connection is never found again",
        "engine/core/decider/connectivity.py",
        "        if link.failure_count:\n",
        "        if link.failure_count > 1:\n",
    ),
    Plant(
        "a stop does not end the session in the log",
        "engine/runtime/world.py",
        "            group.append((bot, bot.observe([session_stopped(bot, reason, feeds)], now_ms, view)))\n",
        "",
    ),
    Plant(
        "decisions look at the clock of the market's last price",
        "engine/runtime/bot.py",
        "        decided = decide(self.strategy, self.state, observation)\n",
        "        decided = decide(self.strategy, self.state, Observation(observation.event, "
        "observation.at_ms + len(self.state.orders), observation.market))\n",
    ),
)

FILE_PLANTS: Final = (
    Plant(
        "the state file shows what is not durable yet",
        "engine/runtime/projection_writer.py",
        "        state, head = bot.durable\n        if not has_state_file(state):\n            return\n",
        "        state, head = bot.state, bot.durable[1]\n        if not has_state_file(state):\n            return\n",
    ),
    Plant(
        "the state file counts purchases as trades won",
        "engine/core/projection.py",
        "            winning_trades=stats.winning_trades,\n",
        "            winning_trades=stats.purchase_count - stats.losing_trades,\n",
    ),
    Plant(
        "the state file shows the purchase price without what came late",
        "engine/core/projection.py",
        "        buy_amount=lot.bought,\n",
        "        buy_amount=lot.held,\n",
    ),
)

SECRET_PLANTS: Final = (
    Plant(
        "the key itself is the fingerprint of the account",
        "engine/testing/simulation/exchange/client.py",
        '        identity = AccountIdentity("simulated", "account",',
        '        identity = AccountIdentity(self.credentials.api_key.reveal(), "account",',
    ),
    Plant(
        "keys in the words of an exchange are passed on",
        "engine/exchanges/faults.py",
        '            text = text.replace(secret, "<hidden>")\n',
        "            text = text.replace(secret, secret)\n",
    ),
    Plant(
        "a key that an exchange wrote in hex is passed on",
        "engine/exchanges/spellings.py",
        "json.dumps(secret)[1:-1], raw.hex(), raw.hex().upper(), *quoted,",
        "json.dumps(secret)[1:-1], *quoted,",
    ),
    Plant(
        "the cause of a fault is told, too, as the exchange put it",
        "engine/runtime/price_source.py",
        "        except (UnreachableError, ConfigError):\n            if not self._is_streaming:\n",
        "        except (UnreachableError, ConfigError) as error:\n"
        '            self._say(f"No price came: {error.__cause__}")\n'
        "            if not self._is_streaming:\n",
    ),
)
