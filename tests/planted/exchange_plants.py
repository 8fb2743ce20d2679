"""Mistakes in what is asked of an exchange, and in what its answers are taken for."""

from typing import Final

from tests.planted.plant import Plant

ACCOUNT: Final = "engine/exchanges/ccxt_account.py"
READINGS: Final = "engine/exchanges/readings.py"
REFUSALS: Final = "engine/exchanges/refusals.py"

EXCHANGES: Final = "tests/exchanges"
LOOKS: Final = f"{EXCHANGES}/test_ccxt_gateway_account.py"
ORDERS: Final = f"{EXCHANGES}/test_ccxt_gateway_orders.py"
VENUES: Final = f"{EXCHANGES}/test_venues.py"
WIRE: Final = f"{EXCHANGES}/test_ccxt_gateway_wire.py"
WRONG: Final = f"{EXCHANGES}/test_wrong_answers.py"

PLANTS: Final = (
    Plant(
        "the paper exchange fills an order by the price it was accepted at",
        "engine/exchanges/paper.py",
        "order.accepted_ms >= view.price_ms",
        "order.accepted_ms > view.price_ms",
        f"{EXCHANGES}/test_paper.py",
    ),
    Plant(
        "the answer 'status unknown' is taken for a refusal",
        REFUSALS,
        "    -1002 -1003@418",
        "    -1002 -1007 -1003@418",
        VENUES,
    ),
    Plant(
        "a refusal counts although the exchange's server failed",
        REFUSALS,
        "(shown in codes and status < _SERVER_ERROR)",
        "shown in codes",
        f"{VENUES}::test_refusal_by_anything_else_is_none",
    ),
    Plant(
        "the refusal of an id that is taken proves that no order was placed",
        REFUSALS,
        " or any(word in lower for word in _DUPLICATE_WORDS)",
        "",
        f"{VENUES}::test_refusal_by_anything_else_is_none",
    ),
    Plant(
        "an order whose answer did not come counts as not sent",
        ACCOUNT,
        "        if record.is_empty and not isinstance(error, asyncio.CancelledError):",
        "        if answer is None and not isinstance(error, asyncio.CancelledError):",
        f"{ORDERS}::test_order_to_a_closed_port_is_unknown_because_nothing_proves_that_it_never_arrived",
    ),
    Plant(
        "an order is signed with the time at which it leaves, not with that in the log",
        ACCOUNT,
        "return order.sent_ms + self._connection.offset_ms",
        "return self._connection.exchange_ms()",
        f"{ORDERS}::test_order_that_leaves_after_its_window_is_void",
    ),
    Plant(
        "an order that ended by itself counts as told to its end by the first answer",
        ACCOUNT,
        'is_whole=found.status in {"open", "filled"})',
        "is_whole=True)",
        f"{ORDERS}::test_market_order_that_expired_half_filled_is_to_be_looked_up",
    ),
    Plant(
        "a look-up that failed has found no order",
        ACCOUNT,
        "return Unknown(str(error))",
        "return None",
        f"{LOOKS}::test_look_up_that_fails_is_unknown_and_never_absent",
    ),
    Plant(
        "an order that a full list lacks was never placed",
        ACCOUNT,
        "if full is not None and len(rows) >= full:",
        "if full is not None and len(rows) > full:",
        f"{WIRE}::test_list_that_may_go_on_elsewhere_proves_nothing",
    ),
    Plant(
        "an order is absent by the word of nobody but the library",
        "engine/exchanges/faults.py",
        'if "OrderNotFound" in names and record.last is not None:',
        'if "OrderNotFound" in names:',
        f"{WIRE}::test_error_means_what_the_wire_proves",
    ),
    Plant(
        "a number that went through binary arithmetic counts as exact",
        READINGS,
        "not isinstance(value, str | int)",
        "not isinstance(value, str | int | float)",
        f"{EXCHANGES}/test_ccxt_gateway_market.py::test_number_is_exact_and_bounded_or_none",
    ),
    Plant(
        "a trade whose fee is not told cost nothing",
        READINGS,
        'raise UnreachableError("The exchange does not say what fee a trade cost.")',
        "return {}",
        f"{EXCHANGES}/test_fees.py::test_trade_without_its_numbers_makes_no_sense",
    ),
    Plant(
        "the silence that an exchange wants is taken for milliseconds",
        "engine/exchanges/wire.py",
        "min(seconds * 1_000, MAX_SILENCE_MS",
        "min(seconds, MAX_SILENCE_MS",
        f"{WIRE}::test_silence_is_as_long_as_the_exchange_says",
    ),
    Plant(
        "a time in whole seconds counts as exact",
        "engine/exchanges/venues.py",
        '    time_step_ms=1_000,\n    create_fields={"clientOrderId": "id", "deadline": "deadline"},\n',
        '    create_fields={"clientOrderId": "id", "deadline": "deadline"},\n',
        f"{EXCHANGES}/test_ccxt_gateway_outages.py::test_time_in_whole_seconds_is_taken_for_the_middle_of_the_second",
    ),
    Plant(
        "a new order answered with that of another is accepted",
        ACCOUNT,
        "if order_id is None or own_id not in {None, order.client_order_id}:",
        "if order_id is None:",
        f"{WRONG}::test_new_order_answered_with_that_of_another_is_unknown",
    ),
    Plant(
        "the refusal of a second request proves that the first was not carried out",
        ACCOUNT,
        "if answer is None or record.writes != 1 else",
        "if answer is None else",
        f"{ORDERS}::test_refusal_of_an_order_that_left_twice_is_no_proof",
    ),
    Plant(
        "an answer that tells half of the trades tells them all",
        ACCOUNT,
        "if total(trades) != found.filled:",
        "if False:",
        f"{WRONG}::test_new_order_told_with_other_trades_than_were_filled_is_to_be_looked_up",
    ),
    Plant(
        "an order is absent because the exchange answered with another",
        ACCOUNT,
        "            if not call.lists:\n",
        "            if False:\n",
        f"{WRONG}::test_look_up_answered_with_another_order_is_unknown_and_never_absent",
    ),
    Plant(
        "trades of other orders are booked for the one that was asked for",
        ACCOUNT,
        'return [row for row in rows if text_of(row, "order") in {None, order_id}]',
        "return rows",
        f"{WRONG}::test_trades_of_other_orders_in_the_list_of_one_are_left_out",
    ),
)
