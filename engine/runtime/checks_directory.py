"""Checks of a state directory: who may look into it, what it lies on, who holds it, and whether its log opens.

Owns the judgement; `engine.store.survey` looks. Reads the log and changes nothing.
Source: decisions.md, "Identity" (a private directory that belongs to one running engine).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.core.errors import EngineError, UsageError
from engine.core.narration import counted
from engine.core.state import BotState
from engine.runtime.checks import Finding, fault, fault_of, note, ok, warning
from engine.runtime.replica import bot_ids, restore_bot
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME, WITNESS_NAME
from engine.store.survey import Entry, Survey
from engine.store.witness import compare, read_witness

LEAST_FREE: Final = 64 * 1024**2
LITTLE_FREE: Final = 1024**3
"""Bytes; a market with a price every second writes some 19 MB a day."""

REMOTE: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "vboxsf", "fuse.sshfs", "virtiofs")
)
"""File systems whose locks and whose fsync are another machine's word."""

FLEETING: Final = frozenset(("tmpfs", "ramfs"))
LAYERED: Final = frozenset(("overlay", "overlayfs", "aufs"))


def directory_findings(found: Survey, user: int) -> list[Finding]:
    """Judge a state directory for the user who would run an engine in it."""
    if found.directory is not None and found.directory.kind != "directory":
        return [fault("directory", f"{found.path} is no directory", "choose another state_dir", code=4)]
    findings = [_owner(found, user), *_entries(found, user), _space(found), _filesystem(found)]
    if found.sync_fault is not None:
        text = f"the file system of {found.place} does not make folders durable ({found.sync_fault})"
        findings.append(
            warning("fsync", text, "move state_dir to a local disk: a power cut could lose the newest events")
        )
    return [*findings, *_holder(found)]


def _owner(found: Survey, user: int) -> Finding:
    folder, path = found.directory, found.path
    if folder is None:
        if found.is_writable:
            return ok("directory", f"{path} does not exist yet; the first run makes it, for you alone")
        return fault("directory", f"{path} does not exist, and you may not make it in {found.place}", "choose another")
    if folder.owner != user:
        text = f"{path} belongs to user {folder.owner}, not to you (user {user})"
        return fault("directory", text, "choose a state directory of your own", code=4)
    if not found.is_writable:
        return fault("directory", f"you may not write in {path} (mode {folder.mode:04o})", f"chmod 700 {path}")
    if folder.mode & 0o077:
        text = f"{path} is open to others (mode {folder.mode:04o}, wanted 0700)"
        if not found.entries:
            return note("directory", f"{text}, and still empty", "the first run closes it")
        return warning("directory", text, f"chmod 700 {path}, or let the next run do it")
    if found.leads_to is not None:
        return note("directory", f"{path} is a symbolic link to {found.leads_to}, which is yours alone (0700)")
    return ok("directory", f"{path} is yours alone (mode {folder.mode:04o})")


def _entries(found: Survey, user: int) -> Iterator[Finding]:
    before = 0
    for each in found.entries:
        finding = _entry(found.path / each.name, each, user)
        if finding is not None:
            before += 1
            yield finding
    if found.entries and not before:
        yield ok("files", f"{len(found.entries)} files, none of them open to others")


def _entry(path: Path, found: Entry, user: int) -> Finding | None:
    is_socket = path.suffix == ".sock"
    if found.kind != ("socket" if is_socket else "file"):
        what = "a symbolic link, which could lead what is written elsewhere" if found.kind == "link" else found.kind
        return fault("files", f"{path} is {what}", "put the file itself there, or move it away", code=4)
    if found.owner != user:
        text = f"{path} belongs to user {found.owner}, not to you (user {user})"
        return fault("files", text, "give it back to the user who runs the engine", code=4)
    if found.mode & 0o077:
        return warning("files", f"{path} is open to others (mode {found.mode:04o}, wanted 0600)", f"chmod 600 {path}")
    return None


def _space(found: Survey) -> Finding:
    text = f"{_size(found.free_bytes)} free where {found.path} lies"
    if found.free_bytes < LEAST_FREE:
        return fault(
            "disk", f"only {text}", "free some space: without it the engine stops at the first event it cannot write"
        )
    if found.free_bytes < LITTLE_FREE:
        return warning("disk", f"only {text}", "free some space: a market writes up to 19 MB a day")
    return ok("disk", text)


def _filesystem(found: Survey) -> Finding:
    kind = found.filesystem
    if kind is None:
        return note("filesystem", f"the system does not say what {found.place} lies on", "let it be a local disk")
    if kind in REMOTE:
        text = f"{found.path} lies on {kind}, whose locks and fsync are another machine's word"
        return warning("filesystem", text, "move state_dir to a local disk: two engines could write one log there")
    if kind in FLEETING:
        text = f"{found.path} lies on {kind}, in memory: it is gone when the machine restarts"
        return warning("filesystem", text, "move state_dir to a disk: the log is the bot")
    if kind in LAYERED:
        text = f"{found.path} lies on {kind}: if this is a container, it is gone with it"
        return warning("filesystem", text, "mount a volume there: the log is the bot")
    return ok("filesystem", f"{kind}, on this machine")


def _holder(found: Survey) -> Iterator[Finding]:
    who = f"process {found.holder}" if found.holder else "a process that did not leave its number"
    if found.lock == "held":
        yield note("lock", f"an engine runs in {found.path}: {who}", "krypto-engine stop ends it in order")
    elif found.lock == "left":
        yield ok("lock", f"free; {who} held it last")
    else:
        yield ok("lock", "free; no engine has run here")


def _size(number: int) -> str:
    for unit, of in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if number >= of:
            return f"{number / of:.1f} {unit}"
    return f"{number / 1000:.0f} kB"


# --- the log ---------------------------------------------------------------------------------------------------------


def log_findings(directory: Path) -> tuple[list[Finding], dict[str, BotState]]:
    """Open the log of a directory and hold it against its witness; give the bots in it, as they stand, too."""
    states: dict[str, BotState] = {}
    witness = directory / WITNESS_NAME
    try:
        sighting = read_witness(witness)  # before the log, which may grow meanwhile
        with LogReader.open(directory) as reader:
            compare(sighting, reader.position(), reader.checksum_at, witness)
            for bot_id in bot_ids(reader):
                states[bot_id] = restore_bot(reader, bot_id)[0]
            events = reader.position()
    except UsageError:
        return [note("log", f"no log yet in {directory}: the first run begins one")], {}
    except EngineError as error:
        return [fault_of("log", error)], states
    if not events:
        return [note("log", f"{LOG_NAME} holds no event yet: the next run begins it")], {}
    names = ", ".join(states) or "no bot"
    held = f"{counted(events, 'event')}, of {names}"
    findings = [ok("log", f"{LOG_NAME} opens: {held}; krypto-engine verify checks every byte")]
    if sighting.mark is None:
        text = f"{WITNESS_NAME} is missing: a lost end of the log would not show"
        findings.append(
            warning("witness", text, "the next run makes it; compare the log with its newest backup before")
        )
    else:
        findings.append(ok("witness", f"{WITNESS_NAME} agrees with the log"))
    return [*findings, *(finding for state in states.values() for finding in _standing(state, directory))], states


def _standing(state: BotState, directory: Path) -> Iterator[Finding]:
    """Name what keeps a bot of the log from trading, whatever its market."""
    bot, kill, recover = state.bot_id, state.guard.kill, f"krypto-engine recover --state-dir {directory}"
    if state.recovery is not None:
        yield fault("recovery", f"{bot}: recovery not confirmed ({state.recovery.reason})", recover, code=7)
    if state.halted is not None:
        text = f"{bot} was halted: an operator must decide about {state.halted}"
        remedy = f"krypto-engine replay {bot} tells what happened; once no other copy of the log trades, {recover}"
        yield warning("halted", text, remedy)
    if kill is not None:
        text = f"the kill switch of {bot} is engaged ({kill.action}): {kill.text}"
        yield warning("kill switch", text, f"krypto-engine revive {bot}, while it runs, releases it")
    if state.paused:
        yield note(
            "paused", f"{bot} is paused, and stays so over a restart", f"krypto-engine resume {bot}, while it runs"
        )
