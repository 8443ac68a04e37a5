import subprocess
import sys
from pathlib import Path

import pytest

from vinr_cli.errors import WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.weights.records import (
    DEFAULT,
    RECORDS,
    find_record,
    packaged,
    packaged_digests,
    packaged_file,
    packaged_folder,
)


def test_names_are_unique_and_the_default_is_packaged() -> None:
    """No two records share a name, and what is used by default needs no network."""
    names = [record.name for record in RECORDS]
    assert len(names) == len(set(names))
    default = find_record("default")
    assert default is find_record(DEFAULT)
    assert default is not None
    assert default.is_packaged


def test_what_is_fetched_has_a_hash() -> None:
    """Every record with origins has what its bytes hash to; no packaged one has origins."""
    assert all(record.is_packaged or record.digest is not None for record in RECORDS)
    assert any(not record.is_packaged for record in RECORDS)


def test_a_packaged_set_is_one_line(tmp_path: Path) -> None:
    """Name, file and description make a record; its hash is in SHA256SUMS."""
    record = packaged("new", "new.safetensors", "about it")
    assert record.is_packaged
    (tmp_path / "SHA256SUMS").write_text(f"{'ab' * 32}  new.safetensors\n\n")
    assert packaged_digests(tmp_path) == {"new.safetensors": Digest("sha256", "ab" * 32)}
    with pytest.raises(WeightsError, match="the packaged weights are missing"):
        packaged_file(record)


def test_sums_name_exactly_the_packaged_files() -> None:
    """SHA256SUMS has one line for each packaged record, and no other."""
    files = {record.file for record in RECORDS if record.is_packaged}
    assert set(packaged_digests(packaged_folder())) == files


def test_a_list_needs_no_heavy_library() -> None:
    """Listing models and finding one loads neither torch nor huggingface_hub nor httpx2."""
    code = (
        "import sys; from vinr_cli.weights.listing import list_models;"
        "from vinr_cli.weights.registry import find_weights;"
        "list_models(); find_weights('default');"
        "sys.exit(bool({'torch', 'huggingface_hub', 'httpx2'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("git-blob", "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"),
    ],
)
def test_digests(tmp_path: Path, kind: str, value: str) -> None:
    """The digests of "abc" are those of FIPS 180-4 and of `git hash-object`."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert Digest.of(path, kind) == Digest(kind, value)
    assert Digest(kind, value).matches(path)
    assert Digest.from_etag(value) == Digest(kind, value)
    path.write_bytes(b"abd")
    assert not Digest(kind, value).matches(path)
