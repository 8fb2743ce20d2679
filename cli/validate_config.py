"""`validate-config`: check configurations without running anything."""

from pathlib import Path

import click

from cli.options import check_each, config_option, json_option
from cli.render import dim, echo_json, status
from engine.runtime.config_file import load_config, one_directory


@click.command("validate-config", epilog="Example:  krypto-engine validate-config -c bot.yml")
@config_option(required=True)
@json_option
def validate_config(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check configurations, each alone and all against each other, without a network.

    Paper markets are looked at, too. What a real exchange has to say about a live bot, `doctor` asks.
    """
    from engine.runtime.bootstrap import check_configs

    loaded = [load_config(path) for path in paths]
    one_directory(loaded)
    check_each(loaded)
    check_configs([each.config for each in loaded])
    if as_json:
        echo_json([{"source": each.source, "config": each.config} for each in loaded])
        return
    for each in loaded:
        config = each.config
        mode = "paper" if config.paper_trading else "live"
        click.echo(
            f"{status('ok', good=True)}  {each.source}\n"
            f"    bot {config.bot_id}: {config.strategy} on {config.symbol} at {config.exchange}, {mode}\n"
            f"    {dim(f'state in {each.state_dir}')}"
        )
