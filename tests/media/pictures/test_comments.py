import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from vinr_cli.media.pictures.animate import write_gif, write_webp
from vinr_cli.media.pictures.comments import comment_gif, comment_webp
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
    write_gif(ffmpeg, film, gif)
    before = pictures(ffmpeg, gif)

    comment_gif(gif, TEXT)

    with av.open(str(gif)) as container:
        assert container.metadata["comment"] == TEXT
    assert pictures(ffmpeg, gif) == before
    assert [path.name for path in tmp_path.glob("a.gif*")] == ["a.gif"]


def test_a_webp_with_a_comment(film: Path, ffmpeg: Path, tmp_path: Path) -> None:
    """The chunk is promised and there, the file is whole, and its pictures are those before."""
    webp = tmp_path / "a.webp"
    write_webp(ffmpeg, film, webp)
    before = read_animation(webp)

    comment_webp(webp, TEXT)

    assert read_animation(webp) == before
    data = webp.read_bytes()
    assert data[20] & 0x04
    xmp = data[data.rindex(b"XMP ") + 8 :].rstrip(b"\0").decode()
    assert "scale 2x2 &lt;&amp;&gt; \N{MULTIPLICATION SIGN}" in xmp


@pytest.mark.parametrize("comment", [comment_gif, comment_webp])
def test_another_file_is_left_alone(comment: Callable[[Path, str], None], tmp_path: Path) -> None:
    """What is no animation is refused and stays as it was."""
    path = tmp_path / "a"
    path.write_bytes(b"something else, long enough to be read")
    with pytest.raises(ValueError, match="it is no"):
        comment(path, TEXT)
    assert path.read_bytes() == b"something else, long enough to be read"
    assert list(tmp_path.iterdir()) == [path]
