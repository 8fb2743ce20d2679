"""Mistakes in the log, in recovery, and in what the running engine reads, writes and shows."""

from typing import Final

from tests.planted.plant import Plant

PLANTS: Final = (
    Plant(
        "a sale is not saved at once",
        "engine/runtime/projection_writer.py",
        '    SaleRecorded: "State saved after sell",\n',
        "",
        "tests/runtime/test_state_saves.py",
    ),
    Plant(
        "the candle cache is never too old",
        "engine/runtime/feed.py",
        "impatient = [bot for bot in readers if at_ms - fetched_ms >= cache_ttl_ms(bot.state)]",
        "impatient: list[Bot] = []",
        "tests/runtime/test_exchange_calls.py",
    ),
    Plant(
        "a lost tail of the log goes unnoticed",
        "engine/store/sqlite.py",
        "sighting = read_witness(witness)",
        'sighting = read_witness(witness.with_name("none"))',
        "tests/cli/test_bad_logs.py::test_log_that_lost_its_tail_is_refused",
    ),
    Plant(
        "a secret in a configuration is printed",
        "engine/runtime/config_file.py",
        "looks like a secret: secrets never stand in a configuration, remove it",
        "looks like a secret: {section[key]}",
        "tests/cli/test_bad_files.py",
    ),
    Plant(
        "a NaN reaches the indicators",
        "engine/feeds/candles.py",
        "if candle is not None and not is_sound_candle(candle):",
        "if False:",
        "tests/feeds/test_candles.py",
    ),
    Plant(
        "a recovery goes on without the operator's yes",
        "engine/runtime/recovery.py",
        "if works and help_.confirm(report):",
        "if works and (help_.confirm(report) or True):",
        "tests/live/test_recovery_cases.py::test_recovery_without_a_yes_leaves_a_bot_that_does_not_run",
    ),
    Plant(
        "a recovery asks the exchange before what left last would show",
        "engine/runtime/recovery.py",
        "        await _quiet(state, exchange, clock, help_.tell)\n",
        "",
        "tests/live/test_recovery_left.py::test_clock_that_leapt_forward_does_not_spare_the_wait",
    ),
    Plant(
        "the witness of a damaged log is not kept",
        "engine/store/rebuild.py",
        "_EVIDENCE: Final = (LOG_NAME, WAL_NAME, SHM_NAME, JOURNAL_NAME, WITNESS_NAME)",
        "_EVIDENCE: Final = (LOG_NAME, WAL_NAME, SHM_NAME, JOURNAL_NAME)",
        "tests/store/test_rebuild.py::test_quarantine_holds_every_file_as_it_was_with_its_digest",
    ),
)
