"""The places that name the version, and the documents that must keep up with the program."""

import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import typer.main

import vinr_cli
from vinr_cli import errors
from vinr_cli.cli.app import build_app

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    """pyproject, the package and the changelog's newest heading name one version."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    newest = re.search(r"^## \[(.+?)\] - (\d{4}-\d\d-\d\d|unreleased)$", read("CHANGELOG.md"), re.M)
    assert newest is not None
    assert project["version"] == newest[1] == vinr_cli.__version__


def test_constraints_pin_every_requirement() -> None:
    """Each direct requirement, dev tools included, has one exact version in constraints.txt."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=!~\[; ]", line)[0].lower().replace("_", "-") for line in wanted}
    lines = [line for line in read("constraints.txt").splitlines() if line and line[0] != "#"]
    pinned = [line.split("==")[0].lower().replace("_", "-") for line in lines]
    assert all(line.count("==") == 1 for line in lines)
    assert len(pinned) == len(set(pinned))
    assert names <= set(pinned)


def test_the_command_page_is_the_programs_own_help() -> None:
    """docs/cli.md is what docs/generate_cli.py writes now."""
    spec = spec_from_file_location("generate_cli", ROOT / "docs" / "generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert read("docs/cli.md") == module.page(), "run python docs/generate_cli.py"


def test_the_readme_names_every_option() -> None:
    """Each option of `vinr upscale` is in the README's table, and no other is."""
    table = "\n".join(line for line in read("README.md").splitlines() if line.startswith("| `-"))
    told = set(re.findall(r"(?<![\w-])--[a-z-]+", table)) - {"--help"}
    assert told == options_of_upscale()


def options_of_upscale() -> set[str]:
    group: Any = typer.main.get_command(build_app())
    options = {name for p in group.commands["upscale"].params for name in p.opts}
    return {name for name in options if name.startswith("--")} - {"--help"}


def test_the_documents_name_every_exit_code() -> None:
    """README and docs/cli.md list each exit code of the exceptions, and docs/cli.md no other."""
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    codes = {k.exit_code for k in kinds if issubclass(k, errors.VinrError)}
    section = read("docs/cli.md").split("## Exit codes")[1].split("##")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.M)}
    assert listed == codes | {0, 141}
    table = read("README.md").split("| exit code |", 1)[1].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"\| (\d+) \|", table)} == codes | {0}


def test_ci_runs_the_readmes_commands() -> None:
    """Both commands of the README make an environment, and .ci/run takes them from there."""
    found = dict(re.findall(r"<!-- command: (\w+) -->\n```sh\n(.+?)\n```", read("README.md"), re.S))
    assert set(found) == {"main", "test"}
    assert all(text.startswith("python3 -m venv .venv && ") for text in found.values())
    assert "vinr upscale sample.mp4" in found["main"]
    assert found["test"].endswith("-m pytest -n auto --maxprocesses 4")
    script = read(".ci/run")
    assert set(re.findall(r"\$\(readme_command (\w+)\)", script)) == set(found)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)  # noqa: S607


def test_links_of_the_documents_lead_somewhere() -> None:
    """Every relative link of README, CONTRIBUTING and the design names a file of the checkout."""
    for name in ("README.md", "CONTRIBUTING.md", "docs/design.md"):
        page = ROOT / name
        links = re.findall(r"(?<!!)\[[^\]]+\]\((?!https?:)([^)#]+)", read(name))
        assert all((page.parent / link).exists() for link in links), name


def test_the_door_is_light_and_leads_to_all_rooms() -> None:
    """`import vinr_cli` loads no library; each name behind the door is there, and no other."""
    code = (
        "import sys, vinr_cli;"
        "print(sorted({'torch', 'av', 'numpy', 'rich', 'typer'} & set(sys.modules)),"
        "sorted(set(vinr_cli.__all__) - set(dir(vinr_cli))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"
    assert vinr_cli.VinrError is errors.VinrError
    assert callable(vinr_cli.upscale_video)
    assert callable(vinr_cli.load_model)
    assert not hasattr(vinr_cli, "nothing")
