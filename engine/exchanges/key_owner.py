"""Whose a key is and what it may do, from what the exchange tells of its account. Pure; shows neither key nor account.

Owns the fingerprint: a digest of the account's own id where the exchange tells one, of the key where it does not.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from engine.exchanges.credentials import Secret
from engine.exchanges.port import AccountIdentity
from engine.exchanges.readings import is_plain, is_whole


def identity_of(exchange: str, balance: Any, rights: Any, api_key: Secret) -> AccountIdentity:
    """Read the identity from an answer about balances, and from one about the key's rights if there is one."""
    info = _mapping(_mapping(balance).get("info"))
    told = _mapping(rights)
    uid, may_trade, may_withdraw = _account_id(info.get("uid")), info.get("canTrade"), told.get("enableWithdrawals")
    if told.get("enableSpotAndMarginTrading") is False:
        may_trade = False
    who = f"account/{uid}" if uid else f"key/{api_key.reveal()}"
    return AccountIdentity(
        fingerprint=blake2b(f"{exchange}/{who}".encode(), digest_size=16, person=b"krypto-account").hexdigest(),
        basis="account" if uid else "key",
        may_trade=may_trade if isinstance(may_trade, bool) else None,
        may_withdraw=may_withdraw if isinstance(may_withdraw, bool) else None,
    )


def _account_id(told: Any) -> str:
    text = str(told) if isinstance(told, str) or is_whole(told) else ""
    return text if is_plain(text) and text != "0" else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
