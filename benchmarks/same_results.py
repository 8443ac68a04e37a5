"""Whether two versions of the program make the same files: frames, sound, streams, tags.

    python benchmarks/same_results.py OLD [--jobs 2] [--only WORDS]

OLD is a commit. It is unpacked into a temporary folder, and both versions run the same 30 jobs:
files, pipes and pictures, with the kernels off, so that only what is not the network's arithmetic
is compared. Prints a line a job and exits with 1 where any differs. Everything that a person or a
player can see is compared: exit code, MD5 of every decoded frame of video and sound with its time,
packets of subtitles and data, streams with their codecs, languages and marks, chapters, and tags
but those that name the version.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 600
"""Seconds that one run may take."""

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
TONE = ("-f", "lavfi", "-i", "sine=d=0.6")
CAPTIONS = "1\n00:00:00,050 --> 00:00:00,300\nfirst\n\n2\n00:00:00,350 --> 00:00:00,500\nsecond\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=480\ntitle=Two\n"
)


def picture(rate: str = "25", size: str = "64x48", source: str = "testsrc2") -> tuple[str, ...]:
    """Arguments for a moving test pattern."""
    return ("-f", "lavfi", "-i", f"{source}=s={size}:r={rate}:d=0.48")


def ffmpeg(folder: Path, *arguments: str) -> None:
    """Run ffmpeg quietly in a folder."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error", *arguments]
    subprocess.run(command, check=True, cwd=folder, timeout=LIMIT)


def made(*arguments: str) -> Callable[[Path], None]:
    """What writes a job's input with one call of ffmpeg."""
    return lambda folder: ffmpeg(folder, *arguments)


def _rich(name: str) -> Callable[[Path], None]:
    """Picture, sound, captions, chapters and tags in one file."""

    def make(folder: Path) -> None:
        (folder / "c.srt").write_text(CAPTIONS)
        (folder / "m.txt").write_text(CHAPTERS)
        text = "mov_text" if name.endswith(("mp4", "mov")) else "srt"
        ffmpeg(
            folder, *picture(), *TONE, "-i", "c.srt", "-i", "m.txt", "-map", "0", "-map", "1",
            "-map", "2", "-map_metadata", "3", *H264, "-c:a", "aac", "-c:s", text,
            "-metadata:s:a:0", "language=deu", "-disposition:a:0", "default", name,
        )  # fmt: skip

    return make


def _attached(folder: Path) -> None:
    """Matroska with a font and a cover."""
    (folder / "font.ttf").write_bytes(bytes(range(256)) * 8)
    ffmpeg(folder, *picture(size="32x32"), "-frames:v", "1", "cover.png")
    ffmpeg(
        folder, *picture(), *TONE, *H264, "-c:a", "libopus", "-attach", "font.ttf",
        "-metadata:s:t", "mimetype=application/x-truetype-font", "in.mkv",
    )  # fmt: skip


def _variable(folder: Path) -> None:
    """Frame times that vary."""
    ffmpeg(
        folder, *picture(), "-vf", "setpts=N+mod(N\\,3)/2", *H264, "-fps_mode", "vfr",
        "-enc_time_base", "1/1000", "in.mkv",
    )  # fmt: skip


def _cut(folder: Path) -> None:
    """Two scenes."""
    chain = "[0:v]trim=0:0.2[a];[1:v]trim=0:0.28[b];[a][b]concat"
    ffmpeg(
        folder, *picture(), *picture(source="smptebars"), "-filter_complex", chain, *H264, "in.mp4"
    )


def _numbered(folder: Path) -> None:
    (folder / "shot").mkdir()
    ffmpeg(folder, *picture(), "-frames:v", "5", "shot/%03d.png")


@dataclass(frozen=True)
class Job:
    """One run of the program.

    Attributes:
        name: Of the job.
        make: Writes the input, in the job's folder.
        options: After the input; `{out}` in them is the result.
        source: The input's name.
        result: The result's name; a folder is compared file by file.
        piped: Whether the input comes by standard input and the result by standard output.
    """

    name: str
    make: Callable[[Path], None]
    options: tuple[str, ...] = ()
    source: str = "in.mp4"
    result: str = "out.mp4"
    piped: bool = False


X2 = ("--scale", "1.5", "--fps-mult", "2")
SOUND = made(*picture(), *TONE, *H264, "-c:a", "aac", "in.mp4")
JOBS = (
    Job("mp4 with captions, chapters", _rich("in.mp4"), X2),
    Job("mkv with captions, chapters", _rich("in.mkv"), X2, "in.mkv", "out.mkv"),
    Job("mov to mkv", _rich("in.mov"), X2, "in.mov", "out.mkv"),
    Job("mkv to mp4", _rich("in.mkv"), X2, "in.mkv", "out.mp4"),
    Job("attachment, Opus", _attached, X2, "in.mkv", "out.mkv"),
    Job("attachment to webm", _attached, (*X2, "--codec", "vp9"), "in.mkv", "out.webm"),
    Job("slow motion", SOUND, ("--slowmo", "2", "--slowmo-audio", "stretch")),
    Job("start and end", SOUND, (*X2, "--start", "0.1", "--end", "0.35")),
    Job("constant rate", SOUND, ("--scale", "1", "--fps", "30000/1001")),
    Job("variable rate", _variable, ("--scale", "1", "--fps-mult", "2"), "in.mkv", "out.mkv"),
    Job("a cut", _cut, X2),
    Job("NTSC film to 60", made(*picture("24000/1001"), *H264, "in.mp4"),
        ("--scale", "1", "--fps", "60")),
    Job("10 bit HEVC", made(*picture(), "-c:v", "libx265", "-pix_fmt", "yuv420p10le",
        "-x265-params", "log-level=none", "in.mp4"), (*X2, "--codec", "h265")),
    Job("HLG tags", made(*picture(), *H264, "-color_primaries", "bt2020", "-color_trc",
        "arib-std-b67", "-colorspace", "bt2020nc", "in.mkv"), X2, "in.mkv", "out.mkv"),
    Job("turned by 90", made("-display_rotation", "90", *picture(), *H264, "in.mp4"), X2),
    Job("pixels 16:11", made(*picture(), "-vf", "setsar=16/11", *H264, "in.mp4"), X2),
    Job("interlaced", made(*picture("50"), "-vf", "tinterlace=interleave_top", "-flags",
        "+ilme+ildct", *H264, "in.mkv"), X2, "in.mkv", "out.mkv"),
    Job("MPEG-TS", made(*picture(), *TONE, *H264, "-c:a", "aac", "in.ts"), X2, "in.ts", "out.ts"),
    Job("AVI, MPEG-4", made(*picture(), *TONE, "-c:v", "mpeg4", "-bf", "0", "-c:a", "libmp3lame",
        "in.avi"), X2, "in.avi", "out.mkv"),
    Job("lossless", made(*picture(), "-c:v", "ffv1", "-pix_fmt", "yuv444p", "in.mkv"),
        (*X2, "--lossless"), "in.mkv", "out.mkv"),
    Job("alpha", made(*picture(), "-vf", "format=rgba,colorchannelmixer=aa=0.5", "-c:v", "png",
        "in.mov"), (*X2, "--codec", "prores"), "in.mov", "out.mov"),
    Job("timecode", made(*picture(), "-timecode", "01:00:00:00", *H264, "in.mov"), X2, "in.mov",
        "out.mov"),
    Job("GIF in and out", made(*picture("10"), "in.gif"), X2, "in.gif", "out.gif"),
    Job("animated WebP", SOUND, X2, "in.mp4", "out.webp"),
    Job("pictures in", _numbered, ("--input-fps", "24", *X2), "shot/%03d.png"),
    Job("pictures out", SOUND, X2, "in.mp4", "out/%04d.png"),
    Job("animation on twos", made(*picture("12"), "-r", "24", *H264, "in.mp4"),
        ("--scale", "1", "--fps-mult", "2", "--dedup")),
    Job("pipe, mkv to mkv", _rich("in.mkv"), X2, "in.mkv", "out.mkv", piped=True),
    Job("pipe, ts to ts", made(*picture(), *TONE, *H264, "-c:a", "aac", "in.ts"),
        (*X2, "--format", "ts"), "in.ts", "out.ts", piped=True),
    Job("pipe, y4m to y4m", made(*picture(), "-pix_fmt", "yuv420p", "in.y4m"),
        (*X2, "--format", "y4m"), "in.y4m", "out.y4m", piped=True),
)  # fmt: skip


def run(job: Job, folder: Path, tree: Path) -> tuple[int, str]:
    """Run the program of a tree; the exit code and the last line of what it said."""
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "VINR_NATIVE": "0"}
    program = [sys.executable, "-m", "vinr_cli", "upscale"]
    if job.piped:
        command = [*program, "-", "-o", "-", *job.options]
        with (folder / job.source).open("rb") as source, (folder / job.result).open("wb") as out:
            done = subprocess.run(
                command, stdin=source, stdout=out, stderr=subprocess.PIPE, env=environment,
                cwd=folder, timeout=LIMIT, check=False,
            )  # fmt: skip
    else:
        command = [*program, job.source, "-o", job.result, *job.options]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=environment, cwd=folder, timeout=LIMIT, check=False,
        )  # fmt: skip
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode, said[-1] if said else ""


def _without_version(tags: dict[str, str]) -> dict[str, str]:
    return {k.lower(): v for k, v in tags.items() if k.lower() != "encoder"}


def seen(path: Path) -> dict[str, Any]:
    """What can be seen of a file: its streams, tags, chapters, and hashes of what they hold."""
    if path.suffix == ".webp":  # no decoder of PyAV reads an animation
        return {"bytes": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}
    with av.open(str(path)) as container:
        streams = [
            {
                "type": s.type,
                "codec": s.codec_context.name if s.codec_context else "",
                "tags": _without_version(dict(s.metadata)),
                "marks": int(s.disposition),
                "size": (getattr(s, "width", 0), getattr(s, "height", 0)),
                "time base": str(s.time_base),
            }
            for s in container.streams
        ]
        about = {
            "streams": streams,
            "tags": _without_version(dict(container.metadata)),
            "chapters": [str(c) for c in container.chapters()],
        }
    kept = ["-map", "0:v?", "-map", "0:a?", "-map", "0:s?", "-c:s", "copy"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(path), *kept]
    hashed = subprocess.run(
        [*command, "-f", "framemd5", "-"], check=False, capture_output=True, text=True,
        timeout=LIMIT,
    )  # fmt: skip
    return about | {"frames": hashed.stdout, "complaints": hashed.stderr.count("\n")}


def results(job: Job, folder: Path) -> list[Path]:
    """The files that a job left."""
    if "/" in job.result:
        return sorted((folder / job.result).parent.glob("*"))
    path = folder / job.result
    return [path] if path.is_file() and path.stat().st_size else []


def compare(job: Job, work: Path, trees: tuple[Path, Path]) -> list[str]:
    """Where both versions differ; empty where they do not."""
    ends, files = [], []
    for name, tree in zip(("old", "new"), trees, strict=True):
        folder = work / name / job.name.replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True)
        job.make(folder)
        ends.append(run(job, folder, tree))
        files.append(results(job, folder))
    differences = []
    if ends[0][0] != ends[1][0]:
        differences.append(f"exit codes {ends[0]} and {ends[1]}")
    if [f.name for f in files[0]] != [f.name for f in files[1]]:
        differences.append(f"files {[f.name for f in files[0]]} and {[f.name for f in files[1]]}")
    if ends[0][0] == 0 and not files[0]:
        differences.append("no result of the old one")
    for old, new in zip(*files, strict=False):
        before, after = seen(old), seen(new)
        differences += [
            f"{old.name}: {key}: {before[key]} and {after[key]}"
            for key in before
            if before[key] != after.get(key)
        ]
    return [f"exit {ends[0][0]}: {ends[0][1]}"] if ends[0][0] else differences


def unpack(commit: str, folder: Path) -> Path:
    """A commit's tree."""
    packed = subprocess.run(
        ["git", "archive", commit],  # noqa: S607 - the one that a developer has
        check=True,
        capture_output=True,
        cwd=ROOT,
        timeout=LIMIT,
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> int:
    """Compare; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", help="a commit")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--only", default="", help="part of a job's name")
    options = parser.parse_args()
    chosen = [job for job in JOBS if options.only in job.name]
    differing = 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        trees = unpack(options.old, work / "tree"), ROOT
        with ThreadPoolExecutor(options.jobs) as pool:
            found = pool.map(lambda job: compare(job, work, trees), chosen)
            for job, differences in zip(chosen, found, strict=True):
                print(f"{'same' if not differences else 'DIFFERS'}  {job.name}", flush=True)
                differing += bool(differences)
                for line in differences:
                    print(f"    {line[:2000]}")
    print(f"{len(chosen) - differing} the same, {differing} differ")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
