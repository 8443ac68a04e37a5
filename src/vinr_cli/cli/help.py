"""`vinr help`: a command, an option or a topic, in full."""

from typing import cast

import typer

from vinr_cli.cli.command import Card, card_of, takes
from vinr_cli.cli.rows import Given, Option, as_text, option
from vinr_cli.cli.screen import print_option, print_topic
from vinr_cli.cli.suggest import OTHER_WORDS, did_you_mean, near_command, near_option
from vinr_cli.cli.topics import TOPICS
from vinr_cli.errors import UsageError

TOPIC = option("TOPIC", as_text, "[TOPIC]", "",
    f"A command, an option such as --scale, or one of: {', '.join(TOPICS)}.",
    values=lambda: (*OTHER_WORDS, *TOPICS))  # fmt: skip


@takes(TOPIC)
def help_(context: typer.Context, given: Given) -> None:
    """Explain a command, an option or a topic: vinr help upscale, vinr help --scale."""
    group = cast("typer.core.TyperGroup", context.find_root().command)
    cards = {name: card_of(command.callback) for name, command in group.commands.items()}
    topic = given[TOPIC]
    if topic is None:
        card_of(group.callback).show("vinr")
    elif topic in cards:
        cards[topic].show(f"vinr {topic}", everything=True)
    elif topic.lower() in TOPICS:
        print_topic(TOPICS[topic.lower()][1])
    else:
        _explain(topic, cards)


def _explain(name: str, cards: dict[str, Card]) -> None:
    """Print what an option does, as each command has it.

    Raises:
        UsageError: no command has it.
    """
    rows = {command: _row(name, card) for command, card in cards.items()}
    texts: dict[str, tuple[Option[object], list[str]]] = {}
    for command, row in rows.items():
        if row is not None:
            texts.setdefault(row.help, (row, []))[1].append(f"vinr {command}")
    for row, commands in texts.values():
        print_option(row, commands)
    if not texts:
        every = [row for card in cards.values() for row in card.rows]
        meant = near_command(name, cards) or near_option(name, every)
        fix = meant or did_you_mean([t for t in TOPICS if t.startswith(name.lower()[:3])])
        raise UsageError(f"vinr help {name}", "is no command, option or topic", fix)


def _row(name: str, card: Card) -> Option[object] | None:
    """The row of a card that a name means, with dashes or without."""
    wanted = {name, f"--{name}"}
    return next((row for row in card.rows if row.is_option and wanted & set(row.names)), None)
