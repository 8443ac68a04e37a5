import ast
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import vinr_cli
from vinr_cli.media.base.containers import AVI, CONTAINERS, MATROSKA, MP4, WEBM, Y4M, Container
from vinr_cli.media.join.decisions import Act, StreamDecision, Why, Wishes, decide
from vinr_cli.media.join.times import Dts
from vinr_cli.media.join.words import notices, outcome, sentence
from vinr_cli.media.read.describe import probe

Make = Callable[..., Path]
PIPE = Wishes(streamed=True, piped=True)
STREAM = Wishes(streamed=True)


@pytest.fixture
def rich(make: Make, tmp_path: Path) -> Path:
    """Sound, text and a font in Matroska."""
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nHello\n")
    (tmp_path / "font.ttf").write_bytes(b"no real font")
    return make(
        "rich.mkv", "-f", "lavfi", "-i", "testsrc2=s=32x32:r=25:d=0.4", "-f", "lavfi", "-i",
        "sine=d=0.4", "-i", f"file:{tmp_path / 'a.srt'}", "-attach", str(tmp_path / "font.ttf"),
        "-metadata:s:t", "mimetype=font/ttf", "-map", "0", "-map", "1", "-map", "2",
        "-c:a", "aac", "-c:s", "srt",
    )  # fmt: skip


@pytest.fixture
def counted(clip: Make) -> Path:
    """A MOV whose timecode is a stream."""
    return clip("in.mov", "-timecode", "01:00:00:12", seconds=0.2)


@pytest.mark.parametrize("wishes", [Wishes(), STREAM, PIPE], ids=["file", "stream", "pipe"])
def test_an_attachment_has_one_name(rich: Path, wishes: Wishes) -> None:
    """A font is called by its file, and kept or dropped, in a file and in a stream alike."""
    kept, lost = (decide(probe(rich), target, wishes)[-1] for target in (MATROSKA, WEBM))

    assert sentence(kept) == "attachment font.ttf is copied"
    assert sentence(lost) == "attachment font.ttf is not kept: only mkv holds attachments"


@pytest.mark.parametrize("target", [MATROSKA, MP4, WEBM, AVI], ids=str)
def test_a_timecode_has_one_fate(counted: Path, target: Container) -> None:
    """The timecode of a MOV is counted on, or not kept, in a file and in a stream alike."""
    source = probe(counted)
    file, stream = decide(source, target), decide(source, target, STREAM)

    assert file == stream
    assert [d.act for d in file] == [Act.COUNT if target.timecode else Act.DROP]
    assert [d.act for d in decide(source, target, replace(PIPE, steady=False))] == [Act.DROP]


@pytest.mark.parametrize("target", [row for row in CONTAINERS if row.alone], ids=str)
def test_formats_of_pictures_drop_all_in_the_same_words(rich: Path, target: Container) -> None:
    """Where a format holds nothing but pictures, file and stream say so in one way."""
    source = probe(rich)
    file, stream = (notices(decide(source, target, wishes)) for wishes in (Wishes(), STREAM))

    assert file == stream
    assert file[0] == f"audio stream 1 (aac) is not kept: {target} cannot hold it"


def test_a_stream_converts_nothing(rich: Path) -> None:
    """What a file has converted a stream drops, with the reason."""
    source = probe(rich)
    file, stream = (decide(source, WEBM, wishes) for wishes in (Wishes(), PIPE))

    assert [d.act for d in file] == [Act.CONVERT, Act.CONVERT, Act.DROP]
    assert [d.act for d in stream] == [Act.DROP, Act.DROP, Act.DROP]
    assert outcome(file[0]) == "does not fit into webm: converted to libopus"
    assert "nothing is converted in a stream" in outcome(stream[0])


def test_what_is_not_wanted_is_no_notice(rich: Path) -> None:
    """Unwanted streams stand in the plan and are not said without being asked for."""
    found = decide(probe(rich), MATROSKA, Wishes(left_out={"audio"}))

    assert outcome(found[0]) == "left out"
    assert notices(found) == []


@pytest.mark.parametrize("why", Why)
def test_every_reason_has_words(why: Why) -> None:
    """Each reason makes a sentence without a gap."""
    act = Act.COPY if why is Why.NOTHING else Act.DROP
    text = sentence(StreamDecision(1, "audio", "aac", Y4M, act, why))

    assert text.startswith("audio stream 1 (aac) is ")
    assert "{" not in text


def searched(tree: ast.AST) -> list[str]:
    """Calls and comparisons that look for words in a sentence."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            words = [text for text in texts if isinstance(text, str) and " " in text]
            looks = node.func.attr in ("startswith", "endswith", "removeprefix", "removesuffix")
            if looks and words:
                found.append(ast.unparse(node))
        if isinstance(node, ast.Compare) and any(
            isinstance(o, ast.In | ast.NotIn) for o in node.ops
        ):
            text = ast.unparse(node.comparators[0])
            if text.endswith(("notices", "remarks")):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("room", ["media", "jobs", "cli"])
def test_no_sentence_is_searched(room: str) -> None:
    """Nothing is decided by what a sentence begins with, or by whether it was said already."""
    folder = Path(vinr_cli.__file__).parent / room
    found = {path.name: searched(ast.parse(path.read_text())) for path in folder.rglob("*.py")}

    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize("text", ['n.startswith("interlaced video")', "t not in plan.notices"])
def test_a_search_would_be_found(text: str) -> None:
    """The check sees both kinds."""
    assert searched(ast.parse(text))


@pytest.mark.parametrize("coded", [[0, 3, 1, 2, 6, 4, 5], [0, 1, 2], [0, 8, 4, 2, 6, 16, 12]])
def test_dts_increase_and_lie_before_pts(coded: list[int]) -> None:
    """DTS increase, no frame is shown before it is decoded, and the sum is the duration."""
    dts = Dts.of(coded)
    times = [dts.next(time) for time in coded]

    assert all(a < b for a, b in pairwise(times))
    assert all(time <= pts for time, pts in zip(times, coded, strict=True))
    whole = times[-1] - times[0] + dts.last_length(coded[-1], times[-1], 3)
    assert whole <= max(coded) + 3


def test_dts_of_a_stream_are_those_of_a_file() -> None:
    """At a constant rate, packets that come one by one get the DTS that they have in a file."""
    coded = [0, 40, 20, 10, 30, 80, 60, 50, 70]
    whole, ahead = Dts.of(coded), Dts.ahead(2, 0, 10)

    assert [whole.next(time) for time in coded] == [ahead.next(time) for time in coded]
    assert whole.last_length(70, 60, 10) == ahead.last_length(70, 60, 10)
