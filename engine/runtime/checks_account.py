"""Checks of an account: where its keys are, what they may do, whose it is, and whether it has the money.

Owns the judgement. Pure: takes what was found and what the exchange said; shows no key.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.core.config import BotConfig
from engine.core.events import Balance
from engine.core.narration import money
from engine.core.state import BotState
from engine.core.units import ZERO
from engine.exchanges.port import AccountIdentity
from engine.runtime.checks import Finding, fault, note, ok, warning
from engine.runtime.credentials import Found

States = Mapping[str, BotState]


def keys_finding(found: Found, exchange: str) -> Finding:
    """Judge where keys were found, and whether they are for this exchange."""
    if found.exchange not in {exchange, found.account}:
        text = f"the keys of account {found.account!r} are for {found.exchange}, and the bot trades at {exchange}"
        return fault("keys", text, "name the right account in the configuration", code=4)
    return ok("keys", f"found in {found.place}")


def rights_findings(account: str, identity: AccountIdentity) -> list[Finding]:
    """Judge what a key may do: trade, and not withdraw."""
    name = f"the key of account {account!r}"
    trade = {
        True: ok("may trade", f"{name} may trade"),
        False: fault("may trade", f"{name} may not trade", "allow spot trading for it at the exchange", code=4),
        None: note("may trade", f"the exchange does not say whether {name} may trade", "see there that it may"),
    }
    withdraw = {
        True: fault(
            "may withdraw",
            f"{name} may withdraw money, which no bot needs",
            "make a key without that right, and store it with krypto-engine credentials set",
            code=4,
        ),
        False: ok("may withdraw", f"{name} may not withdraw"),
        None: note(
            "may withdraw", f"the exchange does not say whether {name} may withdraw", "see there that it may not"
        ),
    }
    return [trade[identity.may_trade], withdraw[identity.may_withdraw]]


def owner_findings(account: str, owned: Mapping[str, bool]) -> list[Finding]:
    """Say which bots' logs belong to the account, and which to another."""
    return [
        ok("account", f"the log of {bot_id} belongs to this account")
        if is_owned
        else fault(
            "account",
            f"the log of {bot_id} belongs to another account than the key of {account!r}",
            "use a key of that account, or give the new bot another bot_id",
            code=4,
        )
        for bot_id, is_owned in owned.items()
    ]


def budget_findings(
    account: str, configs: Sequence[BotConfig], states: States, balances: Mapping[str, Balance]
) -> list[Finding]:
    """Hold what all bots of an account may still spend against its money, quote by quote, as the engine does."""
    findings = []
    for quote in dict.fromkeys(config.quote for config in configs):
        bots = [config for config in configs if config.quote == quote]
        needed = sum((config.budget + _cash_flow(states, config.bot_id) for config in bots), ZERO)
        there = balances.get(quote, Balance(ZERO)).total
        names = ", ".join(config.bot_id for config in bots)
        text = f"{names} may spend {money(needed, bots[0])} in all, and account {account!r} has {money(there, bots[0])}"
        if needed <= there:
            findings.append(ok("budget", text))
        elif any(_holds(states, config.bot_id) for config in bots):
            findings.append(warning("budget", text, "lower the budgets or add money: purchases will be refused"))
        else:
            findings.append(fault("budget", text, "lower the budgets or add money", code=4))
    return findings


def _cash_flow(states: States, bot_id: str) -> Decimal:
    return states[bot_id].cash_flow if bot_id in states else ZERO


def _holds(states: States, bot_id: str) -> bool:
    return bot_id in states and bool(states[bot_id].lots or states[bot_id].orders)
