"""How results look on a terminal: calm, aligned, colour only where it means something.

Green is gained or healthy, red is lost or broken, yellow asks for attention, dim is context. Without a terminal click
leaves the colours out.
"""

import shlex
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from engine.core.instants import iso_utc
from engine.core.units import plain_json

WIDTH: Final = 80


def as_json(value: Any) -> str:
    """Write a value as one line of JSON; decimals are plain numbers, and what does not show is escaped."""
    text = plain_json(value).decode()
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    """Write a character of JSON so that a terminal shows it and does nothing else; outside of texts all do."""
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def echo_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    click.echo(as_json(value))


def dim(text: str) -> str:
    """Style context."""
    return click.style(text, dim=True)


def heading(text: str) -> str:
    """Style a heading, such as a bot's name, which is whatever the log says."""
    return click.style(clean(text), bold=True)


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


def quoted(path: Path) -> str:
    """Write a path so that it can be copied into a shell."""
    return shlex.quote(clean(str(path)))


def clean_lines(text: str) -> str:
    """Do the same to each line of a longer text."""
    return "\n".join(map(clean, text.split("\n")))


def wrapped(text: str, width: int = WIDTH) -> list[str]:
    """Break text between words into lines of at most `width` columns; a longer word has a line of its own."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and len(click.unstyle(longer)) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line.rstrip() for line in lines]


def rows(pairs: Iterable[tuple[str, str]], indent: str = "  ") -> None:
    """Print names and values in two columns; a long value goes on under itself."""
    listed = list(pairs)
    width = max((len(name) for name, _ in listed), default=0)
    for name, value in listed:
        first, *more = wrapped(value, WIDTH - len(indent) - width - 2)
        click.echo(f"{indent}{dim(name.ljust(width))}  {first}".rstrip())
        for line in more:
            click.echo(f"{indent}{' ' * width}  {line}")


def table(header: Sequence[str], lines: Sequence[Sequence[str]], indent: str = "  ") -> None:
    """Print a table; the first column is left-aligned, the others right. One too wide is printed as rows instead."""
    plain = [[click.unstyle(cell) for cell in line] for line in lines]
    widths = [
        max(len(column[0]), *(len(line[i]) for line in plain)) for i, column in enumerate(zip(header, strict=True))
    ]

    if len(indent) + sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        click.echo(indent + dim(header[0]))
        for line in lines:
            click.echo(indent + line[0])
            rows(zip(header[1:], line[1:], strict=True), indent + "  ")
        return

    def padded(cells: Sequence[str]) -> str:
        parts = []
        for i, cell in enumerate(cells):
            fill = " " * (widths[i] - len(click.unstyle(cell)))
            parts.append(cell + fill if i == 0 else fill + cell)
        return "  ".join(parts).rstrip()

    click.echo(indent + dim(padded(header)))
    for line in lines:
        click.echo(indent + padded(line))
