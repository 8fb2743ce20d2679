"""Keys that must never be seen again, and the search for them in all that a program leaves behind.

A canary holds characters that JSON, URLs and YAML write differently, and is looked for in each of these spellings.
"""

import base64
import itertools
import json
import string
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

from engine.exchanges.credentials import Credentials, Secret

API_KEY = 'kCANARYq7/Zx+9=Wv&"3Lm'
API_SECRET = "sCANARYh4\\Tn+5/Rb='8Pc"
PASSPHRASE = "pCANARY d6 'Yg\" é/2+K"
KEYS = Credentials(Secret(API_KEY), Secret(API_SECRET), Secret(PASSPHRASE))
TESTS = Path(__file__).parent
LINES = f"{API_KEY}\n{API_SECRET}\n{PASSPHRASE}\n"


def spellings(canary: str) -> set[str]:
    """Give the ways in which a text may turn up: as it is, escaped, quoted, in hex and in base64 at any offset."""
    raw = canary.encode()
    found = {canary, json.dumps(canary)[1:-1], json.dumps(canary, ensure_ascii=False)[1:-1], repr(canary)[1:-1]}
    found |= {canary.replace("'", "''"), canary[::-1], quote(canary), quote(canary, safe=""), quote_plus(canary)}
    found |= {raw.hex(), raw.hex().upper(), raw.hex(" "), str(raw)[2:-1]}
    for encode, offset in itertools.product((base64.b64encode, base64.urlsafe_b64encode), range(3)):
        encoded = encode(b"\0" * offset + raw).decode()
        found.add(encoded[-(-offset * 4 // 3) : len(encoded) // 4 * 4 - 4])  # what does not depend on the neighbours
    return found


def seen(text: str) -> list[str]:
    """List what of the canaries stands in a text; beyond the first four characters nothing may."""
    parts = {spelling for canary in (API_KEY, API_SECRET, PASSPHRASE) for spelling in spellings(canary)}
    parts |= {canary[:7] for canary in (API_KEY, API_SECRET, PASSPHRASE)}
    parts |= {canary[7:15] for canary in (API_KEY, API_SECRET, PASSPHRASE)}
    assert all(len(part) > 5 for part in parts)
    return sorted(part for part in parts if part in text)


def told_by(error: BaseException) -> str:
    """Give all that an error can tell: its text, arguments and chain, and every local of every frame but the tests'."""
    chain, parts = [error], []
    for each in chain:
        chain += [other for other in (each.__cause__, each.__context__) if other is not None and other not in chain]
        parts += [f"{each} {each!r} {each.args}", *traceback.format_exception(each, chain=False)]
        frames = (frame for frame, _ in traceback.walk_tb(each.__traceback__))
        parts += [f"{frame.f_locals}" for frame in frames if TESTS not in Path(frame.f_code.co_filename).parents]
    return "\n".join(parts)


assert set(string.punctuation) & set(API_KEY + API_SECRET), "canaries hold what encoders change"
