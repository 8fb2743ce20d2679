"""The audit: whether packages of the lock have known vulnerabilities, as far as the advisory service can be asked.

Owns the verdict. A vulnerability fails; a service that cannot be reached does not, and is said: no answer is never
taken for a clean one.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

SECONDS: Final = 50.0
"""The audit ends within a minute, whatever the network does."""


class Verdict(NamedTuple):
    """The exit code, and what is said."""

    code: int
    lines: list[str]


def audit(command: Sequence[str], seconds: float = SECONDS) -> Verdict:
    """Run pip-audit and judge what it says; its report comes on standard output, as JSON."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return _unasked(f"no answer within {seconds:g} s")
    except OSError as error:
        return Verdict(1, [f"pip-audit cannot be run: {error}"])
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return _unasked(done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"])
    return judged(report)


def judged(report: Mapping[str, Any]) -> Verdict:
    """Judge a report: each package has its vulnerabilities, or why it was skipped."""
    packages = report["dependencies"]
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none yet'}"
        for each in packages
        for flaw in each.get("vulns", ())
    ]
    skipped = sorted(each["name"] for each in packages if "skip_reason" in each)
    asked = len(packages) - len(skipped)
    if found:
        return Verdict(1, [*found, f"{len(found)} known vulnerabilities in {asked} packages"])
    if not asked:
        return _unasked("the service knows none of the packages")
    unknown = [f"not known to the service: {', '.join(skipped)}"] if skipped else []
    return Verdict(0, [*unknown, f"no known vulnerabilities in {asked} packages"])


def _unasked(why: str | Sequence[str]) -> Verdict:
    told = why if isinstance(why, str) else " ".join(why)
    return Verdict(0, [f"could not ask the advisory service ({told}): nothing is known of the packages either way"])
