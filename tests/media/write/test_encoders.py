"""Encoders, settled or refused before the first frame."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, Siting
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.base.codecs import CODECS
from vinr_cli.media.base.containers import CONTAINERS, MATROSKA, WEBP, container_named
from vinr_cli.media.base.ffmpeg import FFMPEG_VARIABLE, find_ffmpeg, list_encoders
from vinr_cli.media.base.names import container_of
from vinr_cli.media.read.describe import probe
from vinr_cli.media.read.reader import FrameReader
from vinr_cli.media.write.encoders import choose, needs_even
from vinr_cli.media.write.writer import FrameWriter
from vinr_cli.plan.job import EncodeOptions

SDR = ColorSpec()
HDR = ColorSpec(
    depth=10, matrix=Matrix.BT2020, primaries="bt2020", transfer="smpte2084", siting=Siting.TOPLEFT
)
RGB = ColorSpec(Chroma.RGB, Matrix.RGB, full_range=True, tagged_matrix="gbr")
RATE = Fraction(25)


@pytest.mark.parametrize(
    ("container", "color", "encoder", "pix_fmt"),
    [
        ("mp4", SDR, "libx264", "yuv420p"),
        ("mov", SDR, "libx264", "yuv420p"),
        ("matroska", replace(SDR, depth=10), "libx265", "yuv420p10le"),
        ("mp4", HDR, "libx265", "yuv420p10le"),
        ("webm", SDR, "libvpx-vp9", "yuv420p"),
        ("webm", HDR, "libvpx-vp9", "yuv420p10le"),
        ("avi", SDR, "libx264", "yuv420p"),
        ("mpegts", replace(SDR, chroma=Chroma.C422), "libx264", "yuv422p"),
        ("mp4", replace(SDR, chroma=Chroma.GRAY), "libx264", "yuv420p"),
        ("mp4", RGB, "libx264", "yuv444p"),
    ],
)
def test_defaults_follow_container_and_colour(
    container: str, color: ColorSpec, encoder: str, pix_fmt: str
) -> None:
    """Without options the codec suits the container, and layout and depth stay where they can."""
    found = choose(EncodeOptions(), container_named(container), color, rate=RATE)

    assert (found.encoder, found.pix_fmt) == (encoder, pix_fmt)
    assert found.container.name == container


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_of_the_table_settles(codec: str) -> None:
    """Each codec takes every kind of source in some layout, and HDR in ten bits where it can."""
    container = next(row for row in CONTAINERS if codec in row.codecs)
    sources = [
        SDR, HDR, replace(SDR, chroma=Chroma.C444), RGB, replace(SDR, chroma=Chroma.GRAY),
        replace(SDR, depth=12),
    ]  # fmt: skip
    for source in sources:
        found = choose(EncodeOptions(codec=codec), container, source, rate=RATE)
        assert (found.color.matrix is Matrix.RGB) == (found.color.chroma is Chroma.RGB)
        assert found.color.transfer == source.transfer
        changed = (found.color.chroma, found.color.depth) != (source.chroma, source.depth)
        if changed and source.chroma is not Chroma.GRAY:
            assert found.notices
    deep = 8 if container is WEBP else 10  # it has no more
    assert choose(EncodeOptions(codec=codec), container, HDR, rate=RATE).color.depth >= deep


def test_what_few_players_show_is_told() -> None:
    """RGB that is kept whole, as 4:4:4 or as it is, is told where films are played."""
    for container, words in (("mp4", "few players show 4:4:4"), ("webm", "few players show RGB")):
        found = choose(EncodeOptions(), container_named(container), RGB, rate=RATE)
        assert any(notice.startswith(words) for notice in found.notices)
    assert choose(EncodeOptions("ffv1"), container_named("matroska"), RGB, rate=RATE).notices == ()


def test_names_of_codecs_have_aliases() -> None:
    """Common names of the same codec, in any case, and ffmpeg's name of its encoder, are one."""
    for name in ("h265", "HEVC", "x265", "libx265"):
        assert choose(EncodeOptions(codec=name), container_named("mp4"), SDR).name == "h265"


def test_an_encoder_of_ffmpeg_may_be_named() -> None:
    """An encoder outside the table works by its own name, with no quality made up for it."""
    found = choose(EncodeOptions(codec="mpeg4", extra=("-q:v", "3")), container_named("mp4"), SDR)

    assert (found.name, found.encoder, found.part_format) == ("mpeg4", "mpeg4", "mp4")
    assert found.arguments == ("-q:v", "3")


@pytest.mark.parametrize(
    ("options", "container", "words"),
    [
        (EncodeOptions(extra=("-g", "7", "b.mp4")), "mp4", "b.mp4 would be another output"),
        (EncodeOptions(extra=("b.mp4",)), "mp4", "b.mp4 would be another output"),
        (EncodeOptions(codec="h267"), "mp4", "unknown codec.*h264, h265, av1, vp9, prores, ffv1"),
        (EncodeOptions(codec="h264"), "webm", "does not go into webm.*mp4"),
        (EncodeOptions(codec="prores"), "mp4", "does not go into mp4.*mov"),
        (EncodeOptions(crf=99), "mp4", "out of range.*0 .*63"),
        (EncodeOptions(crf=float("nan")), "mp4", "out of range"),
        (EncodeOptions(codec="prores", crf=20), "mov", "no such quality"),
        (EncodeOptions(preset="warp"), "mp4", "no preset of h264.*medium"),
        (EncodeOptions(codec="ffv1", preset="fast"), "matroska", "no preset of ffv1"),
        (EncodeOptions(pix_fmt="yuv421p"), "mp4", "unknown or unusable"),
        (EncodeOptions(pix_fmt="gray16le"), "mp4", "libx264 does not take it.*yuv420p"),
        (EncodeOptions(), "avi", "variable frame rate"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    options: EncodeOptions, container: str, words: str
) -> None:
    """Unknown or unfitting options are refused, naming what would do."""
    with pytest.raises(UsageError, match=words):
        choose(options, container_named(container), SDR)


def test_options_reach_the_encoder() -> None:
    """Quality, preset and further arguments stand on the command line, the user's last."""
    options = EncodeOptions(codec="h264", crf=21.5, preset="fast", extra=("-tune", "film"))

    assert choose(options, container_named("mp4"), SDR).arguments == (
        "-crf", "21.5", "-preset", "fast", "-tune", "film",
    )  # fmt: skip


def test_a_pixel_format_decides_the_layout() -> None:
    """--pix-fmt sets layout and depth of the frames that the encoder is given."""
    found = choose(EncodeOptions(pix_fmt="yuv444p10le"), container_named("mp4"), SDR)

    assert (found.color.chroma, found.color.depth) == (Chroma.C444, 10)
    assert found.color.matrix is SDR.matrix


def test_subsampled_frames_need_even_sides_where_the_encoder_says() -> None:
    """H.264 needs even sides for 4:2:0 and not for 4:4:4; VP9 takes odd ones."""
    h264 = choose(EncodeOptions(codec="h264"), container_named("mp4"), SDR)
    vp9 = choose(EncodeOptions(codec="vp9"), container_named("mp4"), SDR)

    assert needs_even(SDR, h264)
    assert not needs_even(replace(SDR, chroma=Chroma.C444), h264)
    assert not needs_even(SDR, vp9)


@pytest.mark.parametrize(
    ("codec", "container", "full"),
    [
        ("prores", "mov", False), ("ffv1", "nut", False), ("ffv1", "matroska", True),
        ("h264", "mp4", True),
    ],
)  # fmt: skip
def test_range_is_kept_where_somebody_can_say_it(codec: str, container: str, full: bool) -> None:
    """H.264 says full range itself, Matroska says it for FFV1, and for ProRes nobody does."""
    found = choose(
        EncodeOptions(codec=codec), container_named(container), replace(SDR, full_range=True)
    )

    assert found.color.full_range is full


@pytest.mark.parametrize(
    ("preset", "pix_fmt"),
    [("hq", "yuv422p10le"), ("proxy", "yuv422p10le"), ("4444", "yuv444p10le"), (None, None)],
)
def test_a_profile_of_prores_has_its_layout(preset: str | None, pix_fmt: str | None) -> None:
    """A 4:2:2 profile gets 4:2:2 of any source, 4444 gets 4:4:4; without one the source decides."""
    for source, own in ((RGB, "yuv444p10le"), (SDR, "yuv422p10le")):
        found = choose(
            EncodeOptions("prores", preset=preset), container_named("mov"), source, rate=RATE
        )
        assert found.pix_fmt == (pix_fmt or own)
        profile = preset or ("4444" if own == "yuv444p10le" else "hq")
        assert found.arguments[-2:] == ("-profile:v", profile)


def test_losing_samples_without_loss_is_told() -> None:
    """Where an encoder cannot take the source's samples, --lossless does not hide it."""
    options = EncodeOptions("av1", lossless=True)
    found = choose(
        options, container_named("matroska"), replace(SDR, chroma=Chroma.C444), rate=RATE
    )
    assert found.notices[1].startswith("--lossless holds from there on")
    assert choose(options, container_named("matroska"), SDR, rate=RATE).notices == ()


def test_gray_is_full_range_where_nobody_says_so() -> None:
    """Untagged gray is read as full range, so FFV1 in AVI keeps it; 4:2:0 there is studio range."""
    gray = replace(SDR, chroma=Chroma.GRAY, full_range=True)
    assert choose(EncodeOptions("ffv1"), container_named("avi"), gray, rate=RATE).color.full_range
    full = replace(SDR, full_range=True)
    assert not choose(
        EncodeOptions("ffv1"), container_named("avi"), full, rate=RATE
    ).color.full_range


def test_hdr_forced_into_eight_bits_is_noticed() -> None:
    """HDR in an 8-bit format works, with a warning about bands."""
    found = choose(EncodeOptions(pix_fmt="yuv420p"), container_named("mp4"), HDR)

    assert any("bands" in n for n in found.notices)


def test_suffixes_name_containers() -> None:
    """Known suffixes in any case give a format; others are refused with the known ones."""
    assert container_of(Path("a.MKV")) is MATROSKA
    for name in ("a.xyz", "a"):
        with pytest.raises(UsageError, match=r"\.mp4"):
            container_of(Path(name))


def test_ffmpeg_is_found_by_option_then_variable(
    ffmpeg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option goes before VINR_FFMPEG, which goes before the packaged binary."""
    link = tmp_path / "my ffmpeg"
    link.symlink_to(ffmpeg)
    monkeypatch.setenv(FFMPEG_VARIABLE, str(link))

    assert find_ffmpeg(EncodeOptions()) == link
    assert find_ffmpeg(EncodeOptions(ffmpeg=ffmpeg)) == ffmpeg
    assert choose(EncodeOptions(), container_named("mp4"), SDR).ffmpeg == link


def test_a_missing_or_strange_ffmpeg_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path without a program, a program that fails and one that is no ffmpeg are told apart."""
    with pytest.raises(EncoderError, match="--ffmpeg"):
        find_ffmpeg(EncodeOptions(ffmpeg=tmp_path / "none"))
    monkeypatch.setenv(FFMPEG_VARIABLE, str(tmp_path))
    with pytest.raises(EncoderError, match=FFMPEG_VARIABLE):
        find_ffmpeg(EncodeOptions())
    for body, words in (("echo hello", "list any encoder"), ("echo oops >&2; exit 3", "oops")):
        script = tmp_path / "ffmpeg.sh"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        with pytest.raises(EncoderError, match=words):
            list_encoders(script)


def test_an_encoder_that_this_ffmpeg_lacks_is_told(ffmpeg: Path, tmp_path: Path) -> None:
    """A codec of the table whose encoder was left out of ffmpeg is refused by name."""
    script = tmp_path / "small"
    script.write_text(f'#!/bin/sh\n"{ffmpeg}" "$@" | grep -v libx265\n')
    script.chmod(0o755)

    with pytest.raises(EncoderError, match="libx265"):
        choose(EncodeOptions(codec="h265", ffmpeg=script), container_named("mp4"), SDR)


@pytest.mark.parametrize(("codec", "depth"), [
    ("h264", 8), ("h264", 10), ("h265", 8), ("h265", 10), ("av1", 8), ("av1", 10), ("vp9", 8),
    ("vp9", 10), ("ffv1", 8), ("ffv1", 10),
])  # fmt: skip
def test_lossless_loses_nothing(
    codec: str, depth: int, tmp_path: Path, picture: Callable[..., list[Any]]
) -> None:
    """Every sample of noisy frames comes out of a lossless part as it went in."""
    spec = ColorSpec(depth=depth)
    path = tmp_path / "part.mkv"
    rng = np.random.default_rng(1)
    frames = []
    for k in range(3):
        planes = picture(spec, 64, 64, k)
        frames.append([p + rng.integers(0, 9, p.shape).astype(p.dtype) for p in planes])
    with FrameWriter(
        path, width=64, height=64, color=spec, time_base=Fraction(1, 25), rate=Fraction(25),
        options=EncodeOptions(codec=codec, lossless=True),
    ) as writer:  # fmt: skip
        for k, planes in enumerate(frames):
            writer.write(planes, k)

    with FrameReader(path, probe(path).video) as reader:
        decoded = list(reader)

    assert len(decoded) == 3
    for frame, planes in zip(decoded, frames, strict=True):
        for found, given in zip(frame.planes, planes, strict=True):
            assert np.array_equal(found, given)


def test_lossless_is_refused_where_it_cannot_be() -> None:
    """ProRes, and lossless together with a quality, are refused with what can."""
    with pytest.raises(UsageError, match="ffv1"):
        choose(EncodeOptions(codec="prores", lossless=True), container_named("mov"), SDR)
    with pytest.raises(UsageError, match="--crf"):
        choose(EncodeOptions(crf=20, lossless=True), container_named("mp4"), SDR)


def _with_device(ffmpeg: Path, path: Path, works: str) -> Path:
    """An ffmpeg whose encoder of some name works, whatever the machine has."""
    real = f'exec "{ffmpeg}" "$@"'
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *"-c:v {works} "*) exit 0;; *-c:v*) '
        f'echo "no such device" >&2; exit 1;; *) {real};; esac\n'
    )
    path.chmod(0o755)
    return path


def test_auto_takes_the_hardware_that_works(ffmpeg: Path, tmp_path: Path) -> None:
    """Of the hardware encoders the first that encodes a frame is taken, in its own words."""
    fake = _with_device(ffmpeg, tmp_path / "ffmpeg", "h264_qsv")

    found = choose(EncodeOptions(codec="auto", crf=21, ffmpeg=fake), container_named("mp4"), SDR)

    assert found.encoder == "h264_qsv"
    assert found.arguments[-2:] == ("-global_quality", "21")
    assert found.pix_fmt == "nv12"


def test_auto_falls_back_and_says_so(ffmpeg: Path, tmp_path: Path) -> None:
    """Without a working device the usual encoder is taken, with a notice."""
    fake = _with_device(ffmpeg, tmp_path / "ffmpeg", "none")

    found = choose(EncodeOptions(codec="auto", ffmpeg=fake), container_named("mp4"), HDR)

    assert found.encoder == "libx265"
    assert any("no hardware encoder" in text for text in found.notices)


def test_hardware_that_is_not_there_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    """A hardware encoder asked for by name is tried first, and its own words are told."""
    fake = _with_device(ffmpeg, tmp_path / "ffmpeg", "none")

    with pytest.raises(EncoderError, match="no such device"):
        choose(EncodeOptions(codec="hevc_nvenc", ffmpeg=fake), container_named("mp4"), SDR)
    with pytest.raises(UsageError, match="webm"):
        choose(EncodeOptions(codec="hevc_nvenc", ffmpeg=fake), container_named("webm"), SDR)
