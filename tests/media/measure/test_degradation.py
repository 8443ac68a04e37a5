from dataclasses import replace

import numpy as np
import pytest

from vinr_cli.errors import UsageError
from vinr_cli.media.measure.degradation import (
    CODECS,
    Clip,
    Degradation,
    degrade,
    parse,
    random_degradation,
)


def moving(count: int = 6, height: int = 48, width: int = 64) -> Clip:
    """A smooth colourful pattern that moves two pixels a frame."""
    y, x = np.mgrid[0:height, 0 : width + 2 * count]
    phases = (0.0, 2.0, 4.0)
    still = np.stack([np.sin(x / 6 + p) * np.cos(y / 7 - p) for p in phases], -1)
    wide = (128 + 90 * still).astype(np.uint8)
    return np.stack([wide[:, 2 * i : 2 * i + width] for i in range(count)])


def error(a: Clip, b: Clip) -> float:
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())


@pytest.mark.parametrize("codec", list(CODECS))
@pytest.mark.parametrize("size", [(48, 64), (33, 47)])
def test_good_quality_is_near_the_clip(codec: str, size: tuple[int, int]) -> None:
    """At the best quality every codec gives the same frames in the same order, nearly unchanged."""
    clip = moving(6, *size)

    out = degrade(clip, Degradation(codec, max(1, CODECS[codec].best)))

    assert out.shape == clip.shape
    assert out.dtype == np.uint8
    own = [error(a, b) for a, b in zip(out, clip, strict=True)]
    next_one = [error(a, b) for a, b in zip(out[:-1], clip[1:], strict=True)]
    assert max(own) < 4
    assert min(next_one) > 2 * max(own)
    assert np.abs((out.astype(float) - clip).mean((0, 1, 2))).max() < 1.0  # no shift of colour


@pytest.mark.parametrize("codec", list(CODECS))
def test_worse_quality_is_further_away(codec: str) -> None:
    """A worse quality value gives a poorer clip."""
    clip = moving()
    fine, poor = (degrade(clip, Degradation(codec, q)) for q in (4, CODECS[codec].worst - 3))

    assert error(poor, clip) > 1.3 * error(fine, clip)


def test_the_result_follows_from_the_arguments() -> None:
    """The same degradation gives the same clip; another seed gives another noise."""
    clip = moving()
    noisy = Degradation("mpeg4", 3, noise=4.0, seed=5)

    assert np.array_equal(degrade(clip, noisy), degrade(clip, noisy))
    assert not np.array_equal(degrade(clip, noisy), degrade(clip, replace(noisy, seed=6)))


def test_blur_and_second_codec() -> None:
    """A blur removes detail, and a second degradation works on what the first left."""
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    sharp = degrade(clip, Degradation("mpeg2", 2))
    soft = degrade(clip, Degradation("mpeg2", 2, blur=1.5))
    twice = degrade(clip, Degradation("mpeg2", 2, then=Degradation("h264", 40)))

    assert soft.std() < 0.6 * sharp.std()
    assert error(twice, clip) > error(sharp, clip)


def test_random_degradations_are_varied_and_repeatable() -> None:
    """Many draws cover the codecs, with and without noise and a second pass; a seed repeats."""
    drawn = [random_degradation(np.random.default_rng(i)) for i in range(80)]

    assert {d.codec for d in drawn} == {"h264", "mpeg2", "mpeg4", "vp9"}
    assert len({d.quality for d in drawn}) > 15
    for chosen in ([d.noise for d in drawn], [d.blur for d in drawn], [d.then for d in drawn]):
        assert 0 < sum(bool(c) for c in chosen) < 60
    assert drawn[7] == random_degradation(np.random.default_rng(7))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("h264", Degradation("h264", 23)),
        ("h264:crf=28,gop=250,b=0", Degradation("h264", 28, gop=250, b_frames=0)),
        ("mpeg2:q=6,noise=2,blur=0.5", Degradation("mpeg2", 6, noise=2.0, blur=0.5)),
        ("vp9:crf=40+h264:preset=fast", Degradation("vp9", 40, then=Degradation(preset="fast"))),
    ],
)
def test_parsing(text: str, wanted: Degradation) -> None:
    """The command line names a degradation, and its text form is read back as the same."""
    assert parse(text) == wanted
    assert parse(str(wanted)) == wanted


@pytest.mark.parametrize(
    "text", ["", "divx", "h264:q=3", "h264:crf=99", "h264:crf=x", "mpeg2:b", "h264:preset=slow+"]
)
def test_nonsense_is_refused(text: str) -> None:
    """An unknown codec or option and a value out of range are one clear line."""
    with pytest.raises(UsageError, match="--degrade"):
        parse(text)
