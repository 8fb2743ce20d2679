"""Where packages come from: `python -m tests.supply sbom` lists them, `audit` asks whether they are known to be bad.

Owns the two commands behind `make sbom` and `make audit`. Never changes the lock.
"""

import sys
from pathlib import Path
from typing import Final

from tests.supply.audit import audit
from tests.supply.lock import LOCK, pins
from tests.supply.sbom import sbom

SBOM: Final = LOCK.parent / "build" / "sbom.json"
PIP_AUDIT: Final = (
    *(str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(LOCK), "--disable-pip"),
    *("--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "10"),
)


def main(arguments: list[str]) -> int:
    """Run one of the commands."""
    match arguments:
        case ["sbom"]:
            SBOM.parent.mkdir(exist_ok=True)
            locked = pins(LOCK.read_text(encoding="utf-8"))
            SBOM.write_text(sbom(locked), encoding="utf-8")
            print(f"{len(locked)} packages in {SBOM.relative_to(LOCK.parent)}")
            return 0
        case ["audit"]:
            verdict = audit(PIP_AUDIT)
            print("\n".join(verdict.lines))
            return verdict.code
        case _:
            print("say: python -m tests.supply sbom, or audit", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
