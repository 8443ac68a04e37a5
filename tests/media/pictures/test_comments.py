import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from vinr_cli.media.base.containers import GIF, WEBP
from vinr_cli.media.pictures.animate import render_film
from vinr_cli.media.pictures.comments import put_comment
from vinr_cli.media.pictures.webp import read_animation

Make = Callable[..., Path]

TEXT = "vinr 0; scale 2x2 <&> \N{MULTIPLICATION SIGN}" + 60 * " long text"


@pytest.fixture
def film(clip: Make) -> Path:
    return clip("film.mp4", "-c:v", "ffv1", "-pix_fmt", "yuv420p", seconds=0.2)


def pictures(ffmpeg: Path, path: Path) -> str:
    """Hashes of all frames."""
    command = [str(ffmpeg), "-loglevel", "error", "-i", str(path), "-f", "framemd5", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_gif_with_a_comment(film: Path, ffmpeg: Path, tmp_path: Path) -> None:
    """A comment of any length is found by readers, and no picture changes."""
    gif = tmp_path / "a.gif"
    render_film(ffmpeg, film, gif, GIF)
    before = pictures(ffmpeg, gif)

    put_comment(gif, TEXT)

    with av.open(str(gif)) as container:
        assert container.metadata["comment"] == TEXT
    assert pictures(ffmpeg, gif) == before
    assert [path.name for path in tmp_path.glob("a.gif*")] == ["a.gif"]


def test_a_webp_with_a_comment(film: Path, ffmpeg: Path, tmp_path: Path) -> None:
    """The chunk is promised and there, the file is whole, and its pictures are those before."""
    webp = tmp_path / "a.webp"
    render_film(ffmpeg, film, webp, WEBP)
    before = read_animation(webp)

    put_comment(webp, TEXT)

    assert read_animation(webp) == before
    data = webp.read_bytes()
    assert data[20] & 0x04
    xmp = data[data.rindex(b"XMP ") + 8 :].rstrip(b"\0").decode()
    assert "scale 2x2 &lt;&amp;&gt; \N{MULTIPLICATION SIGN}" in xmp


@pytest.mark.parametrize("body", [b"GIF", b"something else, long enough to be read"])
def test_another_file_is_left_alone(body: bytes, tmp_path: Path) -> None:
    """What is no animation is refused and stays as it was."""
    path = tmp_path / "a"
    path.write_bytes(body)
    with pytest.raises(ValueError, match="it is no"):
        put_comment(path, TEXT)
    assert path.read_bytes() == body
    assert list(tmp_path.iterdir()) == [path]
