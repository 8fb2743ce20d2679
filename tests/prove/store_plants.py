"""Mistakes in the store: what is durable when, in which order, and what is taken for sound.

Owns the plants that storage schedules must see. Source: design, "Storage".
"""

from functools import partial
from typing import Final

from tests.prove.plant import MOST_SCHEDULES, Plant

STORE: Final = "engine/store"
Stored = partial(Plant, by="schedules", within=MOST_SCHEDULES)

PLANTS: Final = (
    Stored(
        "a group is acknowledged before it is committed",
        f"{STORE}/commits.py",
        "            try:\n                await self._write(commit)\n",
        "            for waiting in taken:\n"
        "                waiting.done.done() or waiting.done.set_result(waiting.position)\n"
        "            try:\n                await self._write(commit)\n",
    ),
    Stored(
        "a commit that failed is made again in place",
        f"{STORE}/commits.py",
        "            try:\n                await self._write(commit)\n            except BaseException:\n",
        "            try:\n"
        "                try:\n"
        "                    await self._write(commit)\n"
        "                except StorageError:\n"
        "                    await self._write(commit)\n"
        "            except BaseException:\n",
    ),
    Stored(
        "a commit that failed counts as made",
        f"{STORE}/commits.py",
        "            try:\n                await self._write(commit)\n            except BaseException:\n",
        "            try:\n"
        "                try:\n"
        "                    await self._write(commit)\n"
        "                except StorageError:\n"
        "                    pass\n"
        "            except BaseException:\n",
    ),
    Stored(
        "the queue goes on after a fault",
        f"{STORE}/commits.py",
        "                self._waiting.extendleft(reversed(taken))  # they learn of the fault with the others\n"
        "                raise\n",
        "                for waiting in taken:\n"
        "                    waiting.done.set_exception(StorageError('this one was not written'))\n"
        "                    waiting.done.exception()\n"
        "                self.pending_rows -= rows\n"
        "                self._written += len(taken)\n"
        "                return\n",
    ),
    Stored(
        "commits are not synced at all",
        f"{STORE}/schema.py",
        '"synchronous": 2,',
        '"synchronous": 0,',
    ),
    Stored(
        "commits are synced at checkpoints only",
        f"{STORE}/schema.py",
        '"synchronous": 2,',
        '"synchronous": 1,',
    ),
    Stored(
        "a large commit is no transaction",
        f"{STORE}/sqlite.py",
        '                await self._connection.execute("BEGIN IMMEDIATE")\n'
        "                await self._add_all(_ADD_STREAM, streams)\n"
        "                await self._add_all(_ADD_EVENT, events)\n"
        "                await self._add_all(_ADD_CHECKPOINT, [self._stored(checkpoint) "
        "for checkpoint in commit.checkpoints])\n"
        '                await self._connection.execute("COMMIT")\n',
        "                await self._add_all(_ADD_STREAM, streams)\n"
        "                await self._add_all(_ADD_EVENT, events)\n"
        "                await self._add_all(_ADD_CHECKPOINT, [self._stored(checkpoint) "
        "for checkpoint in commit.checkpoints])\n",
    ),
    Stored(
        "a group is committed in two halves",
        f"{STORE}/sqlite.py",
        "                await self._connection.execute(_ADD_EVENT + _AND_EVENT * (len(events) - 1), "
        "list(chain(*events)))\n",
        "                for some in (events[: len(events) // 2], events[len(events) // 2 :]):\n"
        "                    if some:\n"
        "                        await self._connection.execute(_ADD_EVENT + _AND_EVENT * (len(some) - 1), "
        "list(chain(*some)))\n",
    ),
    Stored(
        "the witness is told of a commit before it is made",
        f"{STORE}/sqlite.py",
        "        try:\n            self._check_files()\n",
        "        if self._witness is not None and events:\n"
        "            self._witness.follow(events[-1][0], bytes(events[-1][5]))\n"
        "        try:\n            self._check_files()\n",
    ),
    Stored(
        "the witness covers what it has not written yet",
        f"{STORE}/follower.py",
        "            await self._medium.write(self._file, half, offset)\n",
        "            self.covered = position\n            await self._medium.write(self._file, half, offset)\n",
    ),
    Stored(
        "a witness that is replaced under its writer goes unnoticed",
        f"{STORE}/follower.py",
        "            require_in_place(path, identity(self._file))\n",
        "",
    ),
    Stored(
        "the witness writes over its only sound half",
        f"{STORE}/follower.py",
        "        self._generation += 1\n",
        "        self._generation += 2\n",
    ),
    Stored(
        "a new witness is written under its own name",
        f"{STORE}/follower.py",
        "        draft = self._path.with_name(WITNESS_DRAFT_NAME)\n"
        "        draft.unlink(missing_ok=True)\n"
        "        create_private(draft, self._medium.sync)\n"
        "        self._file = os.open(draft, _FLAGS)\n"
        "        await self._write_newest(draft)\n"
        "        self._check()\n"
        "        self._medium.rename(draft, self._path)\n",
        "        self._path.unlink(missing_ok=True)\n"
        "        create_private(self._path, self._medium.sync)\n"
        "        self._file = os.open(self._path, _FLAGS)\n"
        "        await self._write_newest(self._path)\n"
        "        self._check()\n",
    ),
    Stored(
        "a new log is made under its own name",
        f"{STORE}/sqlite.py",
        "    draft = path.with_name(DRAFT_NAME)\n"
        "    draft.unlink(missing_ok=True)\n"
        "    create_private(draft, medium.sync)\n"
        "    connection = await medium.connect(draft)\n"
        "    try:\n"
        "        await connection.executescript(CREATE)\n"
        "    finally:\n"
        "        await connection.close()\n"
        "    medium.rename(draft, path)\n",
        "    path.unlink(missing_ok=True)\n"
        "    create_private(path, medium.sync)\n"
        "    connection = await medium.connect(path)\n"
        "    try:\n"
        "        await connection.executescript(CREATE)\n"
        "    finally:\n"
        "        await connection.close()\n",
    ),
    Stored(
        "the name of a new log is not made durable",
        f"{STORE}/sqlite.py",
        "    medium.rename(draft, path)\n    sync_names(path.parent, medium.sync)\n",
        "    medium.rename(draft, path)\n",
    ),
    Stored(
        "what a killed engine left unsynced is built upon",
        f"{STORE}/sqlite.py",
        "            await renew(path, medium)\n",
        "",
    ),
    Stored(
        "what a reader had let be folded in unsynced counts as folded after a restart",
        f"{STORE}/renewal.py",
        "((WAL_NAME, _rewrite), (SHM_NAME, _count_as_not_folded))",
        "((WAL_NAME, _rewrite),)",
        within=50_000,
    ),
    Stored(
        "a WAL that could not be folded in is folded in again by halves",
        f"{STORE}/sqlite.py",
        '            await self._connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")\n',
        "            with suppress(sqlite3.Error):\n"
        '                await self._connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")\n',
    ),
    Stored(
        "a lost end of the log is not seen",
        f"{STORE}/witness.py",
        "    if mark.position > last_position:\n        raise LogDamagedError(\n",
        "    if mark.position > last_position:\n        return\n        raise LogDamagedError(\n",
    ),
    Stored(
        "a damaged witness is taken for none",
        f"{STORE}/witness.py",
        "        if sighting.unsound:\n            raise",
        "        if sighting.unsound > 2:\n            raise",
    ),
    Stored(
        "a log of another time fits the witness",
        f"{STORE}/witness.py",
        "    if mark.position and checksum_at(mark.position) != mark.checksum:\n",
        "    if mark.position and checksum_at(mark.position) is None:\n",
    ),
    Stored(
        "a log is opened without a look at its rows",
        f"{STORE}/sqlite.py",
        "        require_sound(reader)\n",
        "",
    ),
    Stored(
        "a row is chained to the beginning of its stream",
        f"{STORE}/chains.py",
        "        checksum = link(checksum, body)\n",
        "        checksum = link(genesis(batch.stream), body)\n",
    ),
    Stored(
        "a log that is replaced under its writer goes unnoticed",
        f"{STORE}/sqlite.py",
        "            require_in_place(path, written)\n",
        "            continue\n",
    ),
    Stored(
        "a journal beside the log is played back",
        f"{STORE}/reader.py",
        "    if _size(journal):\n",
        "    if _size(journal) > 1_000_000:\n",
    ),
    Stored(
        "a log without its file begins anew",
        f"{STORE}/sqlite.py",
        "    if not path.exists():\n        require_no_trace(path)\n",
        "    if not path.exists():\n",
    ),
    Stored(
        "an append does not look where its stream ends",
        f"{STORE}/chains.py",
        "            if head.sequence != batch.expected_sequence:\n",
        "            if head.sequence < batch.expected_sequence - 1_000_000:\n",
    ),
    Plant(
        "a checksum forgets what came before it, for writer and reader alike",
        f"{STORE}/codec.py",
        "    return _blake2b()(previous + body, digest_size=CHECKSUM_BYTES).digest()\n",
        "    return _blake2b()(body, digest_size=CHECKSUM_BYTES).digest()\n",
    ),
    Plant(
        "facts are published before they are durable",
        "engine/runtime/journal.py",
        "        future.add_done_callback(lambda done: self._publish(done, publishers, batches))\n",
        "        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()\n"
        "        told.set_result(0)\n"
        "        self._publish(told, publishers, batches)\n",
    ),
    Plant(
        "a restart folds one event too few",
        "engine/runtime/replica.py",
        "    for each in source.read(stream, after_sequence=sequence):\n        event: Any = each.event\n"
        "        state =",
        "    for each in list(source.read(stream, after_sequence=sequence))[: -1 if sequence else None]:\n"
        "        event: Any = each.event\n        state =",
    ),
)
