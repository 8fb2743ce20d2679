"""What follows from an operator's command. Each is judged against the very state it is appended to."""

from engine.core.decider.draft import Draft, command_of
from engine.core.decider.emergency import on_flatten, on_kill, on_revive
from engine.core.decider.settlement import cancel
from engine.core.decider.skips import record_skipped_prices
from engine.core.state import BotState


def is_already_so(state: BotState, command: str) -> bool:
    """Tell whether a bot is what a command asks for, so that nothing but the record of the command follows."""
    match command:
        case "pause":
            return state.paused
        case "resume":
            return not state.paused
        case "kill":
            return state.guard.kill is not None
        case "revive":
            return state.guard.kill is None
        case _:
            return False


def on_command(draft: Draft) -> None:
    """Carry out pause, resume, reset-trailing, kill, flatten, revive and stop."""
    match command_of(draft).command:
        case "pause":
            _withdraw_unsent(draft)
        case "resume":
            record_skipped_prices(draft)
        case "reset-trailing":
            draft.reset_trails("manual")
        case "kill":
            on_kill(draft)
        case "flatten":
            on_flatten(draft)
        case "revive":
            on_revive(draft)
        case "stop":
            _cancel_on_stop(draft)
        case unknown:
            raise AssertionError(unknown)


def _withdraw_unsent(draft: Draft) -> None:
    """Nothing is sent after a pause: what was only intended is taken back."""
    for order in list(draft.state.orders.values()):
        if order.status == "requested":
            cancel(draft, order, "paused")


def _cancel_on_stop(draft: Draft) -> None:
    """Cancel what `on_stop` names: nothing, buys, or everything; what is under way, as soon as it rests."""
    wanted = {"leave": set(), "cancel_buys": {"buy"}, "cancel_all": {"buy", "sell"}}[draft.state.config.on_stop]
    for order in list(draft.state.orders.values()):
        if order.side in wanted:
            cancel(draft, order, "stop")
