"""Realistic mistakes that the campaign has not seen yet, in the seeds that were tried so far: three to twelve each.

Owns the names. `python -m tests.prove --unseen --unknown --learn` goes on searching; what a wider world, another
rule or more seeds kill leaves this list, and what is left is a gap in what the campaign can detect.
"""

from typing import Final

UNSEEN: Final = frozenset(
    {
        "a buy leaves although the kill switch came while it was written down",
        "a cancellation that was asked for counts as done",
        "a cancelled order ends with what was booked, not with what it traded",
        "a fee in base is not taken from what is sold",
        "a late trade of a purchase is counted as another purchase",
        "a late trade of a sale is not recorded",
        "a late trade of a sale is recorded with all before it",
        "a look at the trades begins where the last one ended",
        "a paused bot sends",
        "a trade that comes after its order's end is not booked",
        "a trail that goes on forgets its watermark",
        "after a start only the trades of the last minute are looked at",
        "an accepted order that is not shown counts as never placed",
        "an exchange that shows orders late gets no grace",
        "an expired order ends with what was booked, not with what it traded",
        "an order in doubt is not asked about",
        "an order is accepted without its name at the exchange",
        "an order is given up without a look at its trades",
        "an order leaves although its pause came while it was written down",
        "an order leaves however long ago it was decided",
        "an order that ended is forgotten with the next one",
        "an order that is missing on the list of open ones is not looked up",
        "an order that one look did not find is given up",
        "looks in quick succession count one by one",
        "orders of other bots are taken for those of a copy of the log",
        "orders of others at the exchange stop the bot",
        "the trades of the account are not looked at",
        "the window of a signature is left out of the wait",
        "trades that fill an order to the end are booked as if they were all",
        "waiting counts although somebody set the clock",
    }
)
