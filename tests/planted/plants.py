"""The sample of promises that are broken on purpose, each with the test that must notice."""

from typing import NamedTuple


class Plant(NamedTuple):
    """One deliberate mistake: in `file`, `old` becomes `new`, and `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


CORE = "tests/core"

PLANTS = (
    Plant(
        "a trail fires a hair early: the percent is compared with a divided, rounded retrace",
        "engine/core/watch.py",
        "return trail.watermark * (HUNDRED - trail.percent)",
        "return trail.watermark * (HUNDRED - trail.percent) + HUNDRED / 100",
        f"{CORE}/test_trailing.py::test_trail_up_on_a_fall_fires_at_exactly_its_percent",
    ),
    Plant(
        "a trail sells under its floor",
        "engine/core/decider/trailing.py",
        "(trail.floor is not None and price.sell_price < trail.floor)",
        "(trail.floor is not None and price.sell_price < 0)",
        f"{CORE}/test_floor.py",
    ),
    Plant(
        "a target forgets the sell fee",
        "engine/core/lots.py",
        "return ceil_to(unit_cost * (HUNDRED + profit_percent) / (HUNDRED - sell_fee_percent), tick)",
        "return ceil_to(unit_cost * (HUNDRED + profit_percent) / HUNDRED, tick)",
        f"{CORE}/test_money.py::test_target_of_the_specifications_example_is_50601_11",
    ),
    Plant(
        "quantities are rounded up",
        "engine/core/units.py",
        "return value // step * step",
        "return -(-value // step) * step + step * (value % step > 0)",
        f"{CORE}/test_units.py",
    ),
    Plant(
        "a fill that is reported twice is booked twice",
        "engine/core/reducers/orders.py",
        "if order is None or event.trade_id in order.trade_ids:",
        "if order is None:",
        f"{CORE}/test_reports.py",
    ),
    Plant(
        "a library that changes the decimal context changes the money",
        "engine/core/reducers/__init__.py",
        "    setcontext(CONTEXT)\n",
        "",
        f"{CORE}/test_exact.py",
    ),
    Plant(
        "the backoff grows without end",
        "engine/core/backoff.py",
        "return min(FIRST_S << doublings, MOST_S)",
        "return FIRST_S << doublings",
        f"{CORE}/test_connectivity.py",
    ),
    Plant(
        "an outage is declared at every further failure",
        "engine/core/decider/connectivity.py",
        "if link.failure_count >= state.config.max_connectivity_failures and not link.outage:",
        "if link.failure_count >= state.config.max_connectivity_failures:",
        f"{CORE}/test_connectivity.py::test_outage_is_declared_once_and_again_after_it_is_over",
    ),
    Plant(
        "a stale trail goes on",
        "engine/core/decider/prices.py",
        "return unseen_ms(draft.state, price.gap_ms, draft.at_ms) > most_ms",
        "return False",
        f"{CORE}/test_trailing_resets.py",
    ),
    Plant(
        "a trade that earns nothing counts as won",
        "engine/core/reducers/trading.py",
        "won = lot.realised > 0",
        "won = lot.realised >= 0",
        f"{CORE}/test_statistics.py::test_trade_that_earns_nothing_is_counted_as_lost",
    ),
    Plant(
        "an order is sent although the bot is paused",
        "engine/core/decider/commands.py",
        '        case "pause":\n            _withdraw_unsent(draft)',
        '        case "pause":\n            pass',
        f"{CORE}/test_commands.py",
    ),
    Plant(
        "the paper exchange fills an order by the price it was accepted at",
        "engine/exchanges/paper.py",
        "order.accepted_ms >= view.price_ms",
        "order.accepted_ms > view.price_ms",
        "tests/exchanges",
    ),
    Plant(
        "the price-move gate is ignored",
        "engine/core/decider/entries.py",
        "if abs(price.last - base) * HUNDRED >= threshold * base:",
        "if True:",
        f"{CORE}/test_limits.py",
    ),
    Plant(
        "a state file appears before the first purchase",
        "engine/core/projection.py",
        "return state.stats.purchase_count > 0",
        "return True",
        "tests/runtime/test_state_saves.py",
    ),
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
        "a lot exactly at its stop is kept",
        "engine/core/watch.py",
        "price * lot.held * HUNDRED <= lot.paid * (HUNDRED - percent)",
        "price * lot.held * HUNDRED < lot.paid * (HUNDRED - percent)",
        f"{CORE}/test_stop_loss.py::test_lot_is_stopped_out_at_exactly_its_percent_whatever_its_exit",
    ),
    Plant(
        "a stopped lot is armed at its target again",
        "engine/core/decider/exits.py",
        "if draft.state.is_leaving(lot):",
        "if False:",
        f"{CORE}/test_stop_loss.py::test_stopped_lot_is_sold_after_a_restart_although_the_price_is_back",
    ),
    Plant(
        "the day of the losses ends a day after the last one, not at midnight",
        "engine/core/decider/emergency.py",
        "(draft.at_ms // DAY_MS + 1) * DAY_MS",
        "draft.at_ms + DAY_MS",
        f"{CORE}/test_risk.py::test_entries_begin_again_with_the_new_day_and_its_own_sum",
    ),
    Plant(
        "a resting buy outlives the kill switch",
        "engine/core/decider/emergency.py",
        'if order.side == "buy":',
        'if order.side == "buy" and order.status == "requested":',
        f"{CORE}/test_kill_switch.py",
    ),
    Plant(
        "a reached daily loss holds exits back",
        "engine/core/decider/prices.py",
        "    step_trails(draft, price)\n",
        "    if draft.at_ms >= draft.state.guard.halted_until_ms:\n        step_trails(draft, price)\n",
        f"{CORE}/test_risk.py::test_lots_are_sold_while_the_days_loss_stops_entries",
    ),
    Plant(
        "a deposit into the budget counts as a gain",
        "engine/core/reducers/limits.py",
        "else guard.peak + added",
        "else guard.peak",
        f"{CORE}/test_risk.py::test_money_added_to_the_budget_is_no_gain_and_money_taken_out_no_loss",
    ),
    Plant(
        "an order that was not found at once is taken for one that was never placed",
        "engine/core/effects.py",
        "asked_ms > max(order.sent_ms, since_ms) + order.valid_ms + grace_ms",
        "asked_ms > max(order.sent_ms, since_ms)",
        f"{CORE}/test_protocol.py",
    ),
    Plant(
        "an order decided long ago still leaves",
        "engine/core/effects.py",
        "return rests_on_a_moment and now_ms - order.requested_ms > FRESH_MS",
        "return rests_on_a_moment and now_ms - order.requested_ms > 1000 * FRESH_MS",
        f"{CORE}/test_protocol.py",
    ),
    Plant(
        "an order held to be not placed that shows up stays out of the books",
        "engine/core/reducers/orders.py",
        "    order = state.order(event.client_order_id)\n    if order is None or event.new_status not in",
        "    order = state.orders.get(event.client_order_id)\n    if order is None or event.new_status not in",
        f"{CORE}/test_protocol.py",
    ),
    Plant(
        "a live bot buys before it has looked at its account",
        "engine/core/decider/entries.py",
        "and (state.config.paper_trading or state.has_looked)",
        "",
        f"{CORE}/test_account.py",
    ),
    Plant(
        "another copy of the log trades, and the bot goes on",
        "engine/core/decider/account.py",
        "                halts=True,\n",
        "",
        f"{CORE}/test_account.py",
    ),
    Plant(
        "the answer 'status unknown' is taken for a refusal",
        "engine/exchanges/refusals.py",
        "    -1002 -1003@418",
        "    -1002 -1007 -1003@418",
        "tests/exchanges/test_venues.py",
    ),
)
