"""How results look on a terminal: calm, aligned, colour only where it means something.

Green is gained or healthy, red is lost or broken, yellow asks for attention, dim is context. Without a terminal click
leaves the colours out.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import click
import msgspec

from engine.core.instants import iso_utc


def as_json(value: Any) -> str:
    """Write a value as one line of JSON; decimals are numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()


def echo_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    click.echo(as_json(value))


def dim(text: str) -> str:
    """Style context."""
    return click.style(text, dim=True)


def heading(text: str) -> str:
    """Style a heading."""
    return click.style(text, bold=True)


def signed(value: Decimal, text: str) -> str:
    """Style an amount that was gained or lost."""
    return click.style(text, fg="green" if value > 0 else "red" if value < 0 else None)


def status(text: str, *, good: bool) -> str:
    """Style a verdict."""
    return click.style(text, fg="green" if good else "red", bold=True)


def attention(text: str) -> str:
    """Style what wants a look."""
    return click.style(text, fg="yellow")


def clock_text(at_ms: int) -> str:
    """Write a time for a log line: `2025-11-03 10:30:00`."""
    return iso_utc(at_ms)[:19].replace("T", " ")


def clean(text: str) -> str:
    """Take control characters out of text from outside, so that it cannot steer the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def rows(pairs: Iterable[tuple[str, str]], indent: str = "  ") -> None:
    """Print names and values in two columns."""
    listed = list(pairs)
    width = max((len(name) for name, _ in listed), default=0)
    for name, value in listed:
        click.echo(f"{indent}{dim(name.ljust(width))}  {value}")


def table(header: Sequence[str], lines: Sequence[Sequence[str]], indent: str = "  ") -> None:
    """Print a table; the first column is left-aligned, the others right."""
    plain = [[click.unstyle(cell) for cell in line] for line in lines]
    widths = [
        max(len(column[0]), *(len(line[i]) for line in plain)) for i, column in enumerate(zip(header, strict=True))
    ]

    def padded(cells: Sequence[str]) -> str:
        parts = []
        for i, cell in enumerate(cells):
            fill = " " * (widths[i] - len(click.unstyle(cell)))
            parts.append(cell + fill if i == 0 else fill + cell)
        return "  ".join(parts).rstrip()

    click.echo(indent + dim(padded(header)))
    for line in lines:
        click.echo(indent + padded(line))
