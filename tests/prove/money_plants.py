"""Mistakes in trailing and in accounting.

Owns the plants of watermarks, floors, lots, fees, dust and sums. Where two places hold the same thing against a rule, a
mistake in one of them is harmless: such a plant is where both get what they compare, as with the bid of a firing trail
and with the trades that an order knows. Source: decisions.md, "Money" and "Orders".
"""

from typing import Final

from tests.prove.plant import Plant

TRAILING: Final = "engine/core/decider/trailing.py"
SETTLEMENT: Final = "engine/core/decider/settlement.py"
ENTRIES: Final = "engine/core/decider/entries.py"
EXITS: Final = "engine/core/decider/exits.py"
WATCH: Final = "engine/core/watch.py"
LOTS: Final = "engine/core/lots.py"
FILLS: Final = "engine/core/reducers/orders.py"

TRAILING_PLANTS: Final = (
    Plant(
        "a trail that goes on forgets its watermark",
        TRAILING,
        'draft.emit(TrailingActivated(trail.lot, "up", price.last, trail.watermark))',
        'draft.emit(TrailingActivated(trail.lot, "up", price.last, price.last))',
    ),
    Plant(
        "a trail whose order came to nothing forgets its watermark",
        SETTLEMENT,
        'draft.emit(TrailingActivated(lot.number, "up", order.seen_price, trail.watermark))',
        'draft.emit(TrailingActivated(lot.number, "up", order.seen_price, order.seen_price))',
    ),
    Plant(
        "a watermark follows every price",
        TRAILING,
        "    if watch.watermark_up is not None and last > watch.watermark_up:\n",
        "    if watch.watermark_up is not None and last != watch.watermark_up:\n",
    ),
    Plant(
        "a price that one trail takes for its watermark moves those of all",
        "engine/core/reducers/trailing.py",
        'event.watermark > trail.watermark if trail.direction == "up" else event.watermark < trail.watermark',
        "event.watermark != trail.watermark",
    ),
    Plant(
        "a trail is started without its floor",
        EXITS,
        '        floor = lot.target if config.trailing_sell_floor == "target" else None\n',
        "        floor = None\n",
    ),
    Plant(
        "a trail fires under its floor",
        TRAILING,
        "(trail.floor is not None and price.sell_price < trail.floor)",
        "(trail.floor is not None and price.sell_price < 0)",
    ),
    Plant(
        "a trail holds the last price against its floor, not the best bid",
        TRAILING,
        "    if any(floor <= price.sell_price and last * HUNDRED <= trigger for floor, trigger in watch.fire_up):\n"
        "        _fire_up(draft, price)\n",
        "    if any(floor <= last and last * HUNDRED <= trigger for floor, trigger in watch.fire_up):\n"
        "        _fire_up(draft, PriceObserved(last))\n",
    ),
    Plant(
        "a trail fires half-way",
        WATCH,
        "    return trail.watermark * (HUNDRED - trail.percent)\n",
        "    return trail.watermark * (HUNDRED - trail.percent / 2)\n",
    ),
    Plant(
        "a buy trail fires half-way",
        WATCH,
        "    return trail.watermark * (HUNDRED + trail.percent)\n",
        "    return trail.watermark * (HUNDRED + trail.percent / 2)\n",
    ),
    Plant(
        "a trail is armed at what the lot was bought for",
        EXITS,
        'draft.emit(TrailingStarted(lot.number, "up", lot.target,',
        'draft.emit(TrailingStarted(lot.number, "up", lot.price,',
    ),
    Plant(
        "all trails become active with the first",
        TRAILING,
        'trail.direction == "up" and price.last >= trail.activation:\n',
        'trail.direction == "up":\n',
    ),
    Plant(
        "trails outlive an outage",
        "engine/core/decider/connectivity.py",
        '        draft.reset_trails("outage", failure_count=link.failure_count)\n',
        "",
    ),
    Plant(
        "a stale trail goes on",
        "engine/core/decider/prices.py",
        "    return unseen_ms(draft.state, price.gap_ms, draft.at_ms) > most_ms\n",
        "    return unseen_ms(draft.state, price.gap_ms, draft.at_ms) > 1000 * most_ms\n",
    ),
)

ACCOUNTING_PLANTS: Final = (
    Plant(
        "the fee of a purchase is no part of its cost",
        LOTS,
        "        cost=lot.cost + value + value_fee,\n",
        "        cost=lot.cost + value,\n",
    ),
    Plant(
        "the unit cost leaves out the fee",
        LOTS,
        "        paid=lot.paid + value + value_fee,\n",
        "        paid=lot.paid + value,\n",
    ),
    Plant(
        "a fee in base stays in the lot",
        LOTS,
        "    held = fill.quantity - base_fee\n",
        "    held = fill.quantity\n",
    ),
    Plant(
        "a trade that is told twice is booked twice",
        FILLS,
        "        trade_ids=(*order.trade_ids, event.trade_id),\n",
        "        trade_ids=(event.trade_id,),\n",
    ),
    Plant(
        "an order that ended is done before its trades are known",
        "engine/core/state.py",
        '        return self.status in {"canceled", "expired"} and self.filled >= (self.final or ZERO)\n',
        '        return self.status in {"canceled", "expired"}\n',
    ),
    Plant(
        "an order is full with its first trade",
        FILLS,
        '        status="filled" if filled >= order.quantity else order.status,\n',
        '        status="filled",\n',
    ),
    Plant(
        "what is left of a lot vanishes",
        LOTS,
        "    return replace(state, dust=dust, lots={**state.lots, number: rest})\n",
        "    return replace(state, lots={**state.lots, number: rest})\n",
    ),
    Plant(
        "dust is sold and stays",
        LOTS,
        "    dust = Dust(state.dust.quantity - from_dust, state.dust.cost - dust_cost)\n",
        "    dust = state.dust\n",
    ),
    Plant(
        "profit leaves out the fee of the sale",
        SETTLEMENT,
        "    proceeds = order.cash - order.fee_quote - order.recorded.proceeds\n",
        "    proceeds = order.cash - order.recorded.proceeds\n",
    ),
    Plant(
        "a partial sale closes its lot",
        SETTLEMENT,
        "    is_over = not lot.quantity or not sellable_quantity(draft.state, lot, lot.target, rules)\n",
        "    is_over = True\n",
    ),
    Plant(
        "a partial sale takes the cost of the whole lot",
        LOTS,
        "    return cost * part / whole\n",
        "    return cost\n",
    ),
    Plant(
        "a fee in base is not taken from what is sold",
        FILLS,
        "sell_from_lot(_accepted_again(state, order), order, event.quantity + base_fee)",
        "sell_from_lot(_accepted_again(state, order), order, event.quantity)",
    ),
    Plant(
        "a fee in a third asset costs nothing",
        FILLS,
        "    if not base_fee:\n        return event.fee_quote\n",
        '    if event.fee_asset == "BNB":\n        return ZERO\n    if not base_fee:\n        return event.fee_quote\n',
    ),
    Plant(
        "a late trade of a purchase is counted as another purchase",
        FILLS,
        "            _taken_back(state, order), order, event,",
        "            state, order, event,",
    ),
    Plant(
        "a late trade of a sale is recorded with all before it",
        SETTLEMENT,
        "    quantity = order.filled - order.recorded.filled\n",
        "    quantity = order.filled\n",
    ),
    Plant(
        "a late trade of a sale is not recorded",
        SETTLEMENT,
        "        return\n    _record_sale(draft, order, lot)\n    rest",
        "        return\n    rest",
    ),
    Plant(
        "what was sold of a lot before its whole purchase was known is offered again",
        "engine/core/reducers/trading.py",
        "    state = cover_sells(replace(state, stats=stats, lots={**state.lots, event.lot: lot}), event.lot)\n",
        "    state = replace(state, stats=stats, lots={**state.lots, event.lot: lot})\n",
        by="tapes",
    ),
    Plant(
        "a late trade of a purchase begins an active trail anew",
        "engine/core/decider/exits.py",
        "    if lot.number in draft.state.trails:\n        return\n    if config",
        "    if config",
    ),
    Plant(
        "the peak is marked at the price of a trade of long ago",
        "engine/core/reducers/orders.py",
        "    return state if is_late else with_peak_marked(",
        "    return with_peak_marked(",
    ),
    Plant(
        "quantities are rounded up",
        "engine/core/units.py",
        "    return value // step * step\n",
        "    return -(-value // step) * step + step * (value % step > 0)\n",
    ),
    Plant(
        "one lot more than allowed is bought",
        ENTRIES,
        "    if len(state.lots) >= config.max_open_lots:\n",
        "    if len(state.lots) > config.max_open_lots:\n",
    ),
    Plant(
        "the budget forgets what lots have cost",
        "engine/core/state.py",
        "        return sum((lot.cost for lot in self.lots.values()), dust_cost) + self.reserved\n",
        "        return self.dust.cost + self.reserved\n",
    ),
    Plant(
        "a target pays for no fee",
        SETTLEMENT,
        "    target = target_price(lot.unit_cost, config.profit_target, sell_fee, rules.price_tick)\n",
        "    target = target_price(lot.price, config.profit_target, ZERO, rules.price_tick)\n",
    ),
    Plant(
        "a lot is offered a second time while its sell is in doubt",
        FILLS,
        '    if order.is_terminal and order.side == "sell":\n        return _free_lot(state, order)\n',
        '    if order.status in {"unknown", "rejected", "filled", "canceled", "expired"} and order.side == "sell":\n'
        "        return _free_lot(state, order)\n",
    ),
)
