"""Decisions about streams in words: the one place where these sentences are made."""

from collections.abc import Iterable

from vinr_cli.media.base.containers import CONTAINERS
from vinr_cli.media.join.decisions import Act, StreamDecision, Why

_WORDS = {
    Why.UNFIT: "{c} cannot hold it",
    Why.UNFIT_IN_STREAM: "{c} cannot hold it, and nothing is converted in a stream",
    Why.STRETCHED: "stretched",
    Why.STRETCHED_IN_STREAM: "sound is not stretched in a stream",
    Why.LATE: "does not start with the picture, which {c} cannot say",
    Why.NO_ATTACHMENTS: "only {able} holds attachments",
    Why.NO_CHAPTERS: "{c} has none",
    Why.NO_TIMECODE: "{c} cannot hold a timecode",
    Why.VARIABLE: "a timecode needs a constant rate",
    Why.EMPTY: "it is empty",
    Why.OTHER_IN_STREAM: "only sound, subtitles and pictures are",
}
_CONVERTED = {**_WORDS, Why.UNFIT: "does not fit into {c}"}
"""The same of a stream that is converted."""
_SIMPLE = {
    Act.COPY: "copied",
    Act.COUNT: "counted on at the new rate",
    Act.OMIT: "left out",
}


def name_of(decision: StreamDecision) -> str:
    """What a stream is called; an attachment by its file."""
    if decision.index is None:
        return decision.kind
    if decision.kind == "attachment":
        return f"attachment {decision.label}"
    return stream_name(decision.kind, decision.index, decision.label)


def stream_name(kind: str, index: int, codec: str) -> str:
    """What a stream is called, by its kind, its index and its codec, if that is known."""
    return f"{kind} stream {index}{f' ({codec})' if codec else ''}"


def outcome(decision: StreamDecision) -> str:
    """What happens to a stream."""
    if decision.act in _SIMPLE:
        return _SIMPLE[decision.act]
    able = " and ".join(row.suffixes[0][1:] for row in CONTAINERS if row.attachments)
    words = (_CONVERTED if decision.conversion else _WORDS)[decision.why]
    why = words.format(c=decision.container, able=able)
    if decision.conversion is not None:
        return f"{why}: converted to {decision.conversion.codec}"
    return f"not kept: {why}"


def sentence(decision: StreamDecision) -> str:
    """The same with the stream's name."""
    verb = "are " if decision.index is None else "is "
    if decision.act is Act.CONVERT and decision.why is not Why.STRETCHED:
        verb = ""
    return f"{name_of(decision)} {verb}{outcome(decision)}"


def failure(decision: StreamDecision, error: Exception) -> str:
    """A sentence about a stream that could not be converted."""
    return f"{name_of(decision)} is not kept: {error}"


def notices(decisions: Iterable[StreamDecision]) -> list[str]:
    """Sentences about those that people should know about without asking."""
    return [sentence(d) for d in decisions if d.act in (Act.CONVERT, Act.DROP)]
