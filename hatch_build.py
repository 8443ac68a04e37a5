"""Builds the native kernels into the wheel, where a C++ compiler is there.

GCC or Clang, C++17, found as ``$CXX``, ``c++``, ``g++`` or ``clang++``. Without one, or with
``VINR_NATIVE=0``, the wheel is a pure Python one and PyTorch does all of the work. An editable
install gets the library beside the sources. ``python hatch_build.py`` builds it there alone.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path(__file__).parent / "src" / "vinr_cli" / "native"
LIBRARY = "libvinr_kernels.so"
"""One name on every system; it is loaded by path."""

COMMON = [
    *("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-pthread"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
]
PARTS = ("compact", "chain", "search", "picture", "published", "convolve")
"""Sources that are compiled for each instruction set."""

AVX2 = "-mavx2 -mfma -mf16c"
AVX512 = f"-mavx512f -mavx512bw -mavx512dq -mavx512vl {AVX2}"
X86_BUILDS = {"avx512": AVX512, "avx2": AVX2}
"""Instruction sets that are compiled for beside the processor's baseline, and chosen among at run
time."""

TILES = f"-mamx-tile -mamx-bf16 -mavx512bf16 {AVX512}"
TILED_PARTS = ("compact", "chain", "search")
"""The sources that tiles serve; they are left out where the compiler does not know tiles, and where
the system is not Linux, which must be asked for them."""

TIME_LIMIT = 300
"""Seconds that the compiler may take."""


class NativeBuildHook(BuildHookInterface[Any]):
    """Hatchling's hook: compile, include, and name the platform."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to a wheel that is about to be built."""
        if self.target_name != "wheel" or os.environ.get("VINR_NATIVE") == "0":
            return
        editable = version == "editable"
        self._folder = tempfile.TemporaryDirectory()
        library = (SOURCES if editable else Path(self._folder.name)) / LIBRARY
        problem = compile_library(library)
        if problem is not None:
            self.app.display_warning(f"vinr: no native kernels, PyTorch does the work: {problem}")
            return
        if not editable:
            build_data["force_include"][str(library)] = f"vinr_cli/native/{LIBRARY}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Forget the temporary folder."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def compile_library(library: Path) -> str | None:
    """Compile and link.

    Args:
        library: Where it goes; replaced in one step.

    Returns:
        None, or in one line why there is none.
    """
    compiler = _compiler()
    if compiler is None:
        return "no C++ compiler"
    x86 = platform.machine().lower() in {"x86_64", "amd64"}
    tiles = x86 and sys.platform == "linux" and _knows(compiler, TILES)
    builds = {"baseline": "", **(X86_BUILDS if x86 else {})}
    parts = [(part, build, flags) for part in PARTS for build, flags in builds.items()]
    if tiles:
        parts += [(part, "amx", TILES) for part in TILED_PARTS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        units = [
            (
                SOURCES / f"{part}.cpp",
                folder / f"{part}-{build}.o",
                [f"-DVINR_BUILD={build}", *flags.split()],
            )
            for part, build, flags in parts
        ]
        names = ["-DVINR_X86"] * x86 + ["-DVINR_AMX"] * tiles
        units += [
            (SOURCES / f"{part}.cpp", folder / f"{part}.o", names)
            for part in ("dispatch", "schedule")
        ]
        made = folder / LIBRARY
        commands = [
            [*compiler, *COMMON, *flags, "-c", str(source), "-o", str(target)]
            for source, target, flags in units
        ]
        objects = [str(target) for _, target, _ in units]
        static = [] if sys.platform == "darwin" else ["-static-libstdc++", "-static-libgcc"]
        commands.append([*compiler, "-shared", "-pthread", *static, *objects, "-o", str(made)])
        for command in commands:
            if (problem := _run(command)) is not None:
                return problem
        # beside its place first, so that a running program never sees half a library
        beside = library.with_name(f"{library.name}.{os.getpid()}")
        shutil.copyfile(made, beside)
        beside.replace(library)
    return None


def _knows(compiler: list[str], flags: str) -> bool:
    """Whether a compiler takes these flags, with its headers."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "tried.cpp"
        source.write_text("#include <immintrin.h>\nint main() { _tile_release(); }\n")
        target = source.with_suffix(".o")
        return _run([*compiler, *flags.split(), "-c", str(source), "-o", str(target)]) is None


def _run(command: list[str]) -> str | None:
    """None, or the compiler's first complaint."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line]
        return lines[0] if lines else f"{command[0]} failed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None


def _compiler() -> list[str] | None:
    if named := os.environ.get("CXX"):
        return shlex.split(named)
    if sys.platform == "win32":  # not tried; MSVC lacks the vector types
        return None
    found = (shutil.which(name) for name in ("c++", "g++", "clang++"))
    return next(([path] for path in found if path), None)


def _platform_tag() -> str:
    """This system's most specific platform tag: the library needs its C library or a newer one."""
    from packaging.tags import sys_tags  # noqa: PLC0415 - hatchling brings it

    return next(sys_tags()).platform


if __name__ == "__main__":
    sys.exit(compile_library(SOURCES / LIBRARY))
