import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from vinr_cli.errors import UsageError, VinrError, WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.patience import Patience
from vinr_cli.model.config import ModelConfig
from vinr_cli.weights import cache, listing
from vinr_cli.weights.cache import read_stamp
from vinr_cli.weights.install import Terms, fetch_named, install_record, take_from
from vinr_cli.weights.load import load_model
from vinr_cli.weights.records import DEFAULT, RECORDS, WeightsRecord, find_record
from vinr_cli.weights.registry import find_weights

from ..fetch import servers
from ..fetch.servers import Hub, Repository, Web, git_blob

OFFICIAL = "videoinr-official"


def agree(_: WeightsRecord) -> bool:
    return True


@pytest.fixture
def terms(patience: Patience) -> Terms:
    return Terms(patience=patience)


@pytest.fixture
def record(tiny: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> WeightsRecord:
    """A known set whose origin is the web server; its bytes are a tiny network's."""
    content = tiny.read_bytes()
    record = WeightsRecord(
        name="known",
        file="known.safetensors",
        about="tiny",
        licence="MIT",
        origins=(web.put("/origin/known.safetensors", content),),
        digest=Digest("git-blob", git_blob(content)),
    )
    monkeypatch.setattr("vinr_cli.weights.records.RECORDS", (*RECORDS, record))
    monkeypatch.setattr("vinr_cli.weights.listing.RECORDS", (*RECORDS, record))
    return record


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_known_set_is_fetched_and_found(
    record: WeightsRecord, tiny: Path, terms: Terms, web: Web
) -> None:
    """A set that is absent names its command; after it, the file is found and loads."""
    with pytest.raises(
        WeightsError, match=r"has not been fetched yet.*vinr download-weights known"
    ):
        find_weights("known")
    stamp = fetch_named("known", terms, consent=lambda _: False)
    assert find_weights("known") == stamp.path
    assert stamp.path.read_bytes() == tiny.read_bytes()
    assert load_model("known").config == load_model(tiny).config
    fetch_named("known", terms, consent=agree)
    assert len(web.seen) == 1
    assert files_below(cache.home() / "downloads") == [f"{record.digest.value}.lock"]  # type: ignore[union-attr]


def test_mirrors_come_first(
    record: WeightsRecord, tiny: Path, terms: Terms, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VINR_MIRROR is asked for NAME/FILE before the origin, and the origin if it has none."""
    monkeypatch.setenv("VINR_MIRROR", f"{web.url}/none {web.url}/mirror/")
    web.put("/mirror/known/known.safetensors", tiny.read_bytes())
    install_record(record, terms)
    assert [r.path for r in web.seen] == [
        "/none/known/known.safetensors",
        "/mirror/known/known.safetensors",
    ]


def test_wrong_bytes_leave_nothing(record: WeightsRecord, terms: Terms, web: Web) -> None:
    """After wrong bytes from every origin, neither a set nor a usable file is left."""
    web.always = servers.wrong_bytes
    with pytest.raises(WeightsError, match="other bytes"):
        install_record(record, terms)
    assert files_below(cache.home()) == [f"downloads/{record.digest.value}.lock"]  # type: ignore[union-attr]
    with pytest.raises(WeightsError, match="has not been fetched yet"):
        find_weights("known")


def test_the_right_bytes_of_no_network_leave_nothing(
    record: WeightsRecord, terms: Terms, web: Web
) -> None:
    """A file whose hash is right but which no network fits is refused and not kept as a set."""
    url = web.put("/notes.txt", b"not weights")
    digest = Digest("sha256", hashlib.sha256(b"not weights").hexdigest())
    with pytest.raises(WeightsError, match="cannot be read as a weights file"):
        take_from("notes", url, digest, terms)
    assert read_stamp("notes") is None
    assert not list(cache.models_folder().iterdir())


def test_two_at_once(record: WeightsRecord, terms: Terms, web: Web, tiny: Path) -> None:
    """Of two that fetch one set at the same time, one downloads and the other waits for it."""
    started = threading.Barrier(2)
    found: list[Path] = []

    def one() -> None:
        started.wait()
        found.append(install_record(record, terms).path)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(web.seen) == 1
    assert found[0] == found[1]
    assert found[0].read_bytes() == tiny.read_bytes()


# -- what is kept ---------------------------------------------------------------------------------


def test_a_changed_file_is_noticed(record: WeightsRecord, terms: Terms, web: Web) -> None:
    """A file of another size or time is hashed; other bytes are refused, with the cure."""
    path = install_record(record, terms).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match=r"has changed since.*vinr download-weights known"):
        find_weights("known")
    install_record(record, terms)
    assert find_weights("known").read_bytes() == whole
    path.unlink()
    with pytest.raises(WeightsError, match="is gone"):
        find_weights("known")


def test_a_touched_file_is_stamped_anew(record: WeightsRecord, terms: Terms) -> None:
    """A new time of change with the same bytes costs one hash and brings a new stamp."""
    path = install_record(record, terms).path
    os.utime(path, ns=(1, 1))
    assert find_weights("known") == path
    stamp = read_stamp("known")
    assert stamp is not None
    assert stamp.mtime_ns == 1


def test_a_silent_change_needs_verify(record: WeightsRecord, terms: Terms) -> None:
    """Other bytes under the same size and time pass the cheap check and fail the full one."""
    path = install_record(record, terms).path
    status, whole = path.stat(), path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert {r.name: r.state for r in listing.list_models()}["known"] == listing.VERIFIED
    rows = {r.name: r.state for r in listing.list_models(verify=True)}
    assert rows["known"] == listing.DAMAGED
    assert rows[DEFAULT] == listing.VERIFIED


def test_remove(record: WeightsRecord, terms: Terms) -> None:
    """A removed set is gone from the disk and absent in the list."""
    install_record(record, terms)
    listing.remove_model("known")
    assert not list(cache.models_folder().iterdir())
    assert {r.name: r.state for r in listing.list_models()}["known"] == listing.ABSENT


ELSEWHERE = [
    "..", ".", "", "../..", "../outside", "/etc", "a/b", "\0", "a\0b", "x" * 300,
    "\N{GRINNING FACE}" * 80, ".1-staging", "-x", "hf:../..", "hf:org/..", "hf:org/name@..",
    "hf:org/name@../../x", "hf:org/name@/etc/passwd", "hf:org/name@a//b", f"hf:org/{'x' * 300}",
    f"hf:org/name@{'x' * 300}",
]  # fmt: skip
"""Names that would lead out of the folder of models, or to something in it that is not a model."""


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_that_leads_elsewhere_removes_nothing(
    record: WeightsRecord, terms: Terms, name: str
) -> None:
    """`models --remove` deletes a model and nothing else, whatever name it gets."""
    fetch_named("known", terms, consent=agree)
    own = cache.home() / "own.txt"
    own.write_text("a user's own file")
    (cache.models_folder() / ".1-staging").mkdir()
    before = sorted(path for path in cache.home().rglob("*"))
    with pytest.raises((UsageError, WeightsError)) as caught:
        listing.remove_model(name)
    assert caught.value.exit_code in (2, 6)
    assert sorted(path for path in cache.home().rglob("*")) == before


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_that_leads_elsewhere_finds_and_takes_nothing(
    terms: Terms, tiny: Path, name: str
) -> None:
    """Such a name neither finds a stamp outside of the models' folder nor takes a file there."""
    outside = cache.stamp_file("known", tiny, source="elsewhere")
    cache.home().mkdir(parents=True)
    fields = {**asdict(outside), "path": str(tiny), "name": name}
    (cache.home() / cache.STAMP).write_text(json.dumps(fields))
    assert cache.read_stamp(name) is None
    with pytest.raises(VinrError):
        take_from(name, str(tiny), terms=terms)
    assert [path.name for path in cache.home().iterdir()] == [cache.STAMP]


def test_a_carried_stamp_names_a_file_beside_it(terms: Terms, tiny: Path, tmp_path: Path) -> None:
    """A stamp of another machine's folder cannot make this one read a file elsewhere."""
    own = tmp_path / "stick" / "mine"
    own.mkdir(parents=True)
    fields = {**asdict(cache.stamp_file("mine", tiny, source="x")), "path": str(tiny)}
    (own / cache.STAMP).write_text(json.dumps(fields))
    with pytest.raises(WeightsError, match="has neither"):
        take_from("mine", str(tmp_path / "stick"), terms=terms)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"}, {"name": ".."}, {"name": 7}, {"path": 7}, {"size": "large"},
        {"size": -1}, {"size": 10**30}, {"size": 1.5}, {"size": True}, {"mtime_ns": None},
        {"licence": []}, {"source": {}},
    ],
)  # fmt: skip
def test_a_stamp_that_cannot_be_is_no_stamp(
    record: WeightsRecord, terms: Terms, change: dict[str, object]
) -> None:
    """A stamp of another set, or with a value of a wrong kind, counts as none: nothing fails."""
    own = fetch_named("known", terms, consent=agree).path.parent
    fields = json.loads((own / cache.STAMP).read_text())
    (own / cache.STAMP).write_text(json.dumps({**fields, **change}))
    assert cache.read_stamp("known") is None
    assert {r.name: r.state for r in listing.list_models()}["known"] == listing.ABSENT


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"name": "known"}', "[" * 100_000, '{"size": 1e99999999}', '{"size": NaN}'],
    ids=lambda text: text[:12],
)
def test_a_torn_stamp_is_no_stamp(record: WeightsRecord, terms: Terms, text: str) -> None:
    """A stamp that cannot be read counts as absent, and fetching repairs it."""
    path = install_record(record, terms).path
    path.with_name(cache.STAMP).write_text(text)
    with pytest.raises(WeightsError, match="has not been fetched yet"):
        find_weights("known")
    install_record(record, terms)
    assert find_weights("known") == path


# -- places that a user names ---------------------------------------------------------------------


def test_there_and_back_without_network(
    record: WeightsRecord, terms: Terms, web: Web, tmp_path: Path
) -> None:
    """What `--to` writes, `--from` takes in on a machine without network, hash and licence kept."""
    carried = tmp_path / "stick"
    fetch_named("known", replace(terms, folder=carried), consent=agree)
    assert files_below(carried) == ["known/model.safetensors", "known/stamp.json"]
    assert read_stamp("known") is None
    asked = len(web.seen)

    moved = carried.rename(tmp_path / "elsewhere")
    stamp = take_from("known", str(moved), terms=terms)

    assert stamp.path.is_relative_to(cache.home())
    assert (stamp.licence, stamp.source) == ("MIT", record.origins[0])
    assert find_weights("known") == stamp.path
    assert len(web.seen) == asked


def test_a_carried_file_that_changed(record: WeightsRecord, terms: Terms, tmp_path: Path) -> None:
    """A carried file that is not what its stamp says is refused."""
    stick = tmp_path / "stick"
    path = fetch_named("known", replace(terms, folder=stick), consent=agree).path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="is not the file that was asked for"):
        take_from("known", str(stick), terms=terms)
    assert read_stamp("known") is None


def test_the_original_file_is_taken(
    record: WeightsRecord, terms: Terms, tiny: Path, tmp_path: Path
) -> None:
    """A file that the user fetched otherwise is held to the registry's hash."""
    (tmp_path / record.file).write_bytes(tiny.read_bytes())
    assert take_from("known", str(tmp_path), terms=terms).path.read_bytes() == tiny.read_bytes()
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"x")
    with pytest.raises(WeightsError, match="its git-blob is not"):
        take_from("known", str(other), terms=terms)


def test_a_file_of_ones_own(terms: Terms, tiny: Path, tmp_path: Path) -> None:
    """A weights file, or a folder of `save_pretrained`, gets a name of the user's choice."""
    take_from("mine", str(tiny), terms=terms)
    assert load_model("mine").config == load_model(tiny).config
    folder = load_model(tiny).save_pretrained(tmp_path / "folder")
    take_from("other", str(folder), terms=terms)
    names = [row.name for row in listing.list_models()]
    assert names[-2:] == ["mine", "other"]


def test_an_address_needs_a_hash(terms: Terms, tiny: Path, web: Web) -> None:
    """An address is fetched with its SHA-256 only, and the bytes are held to it."""
    url, right = web.put("/m.safetensors", tiny.read_bytes()), Digest.of(tiny)
    with pytest.raises(UsageError, match="--sha256"):
        take_from("mine", url, terms=terms)
    with pytest.raises(WeightsError, match="other bytes"):
        take_from("mine", url, Digest("sha256", "0" * 64), terms)
    assert take_from("mine", url, right, terms).sha256 == right.value
    assert find_weights("mine").read_bytes() == tiny.read_bytes()


@pytest.mark.parametrize(
    ("name", "place", "error"),
    [
        (DEFAULT, "x.safetensors", "comes with vinr"),
        ("default", "x.safetensors", "comes with vinr"),
        ("../up", "x.safetensors", "is not a name"),
        ("mine", "no-such-file.safetensors", "does not exist"),
        (OFFICIAL, "https://example.invalid/x.pth", "has a source of its own"),
    ],
)
def test_names_and_places_that_cannot_be(terms: Terms, name: str, place: str, error: str) -> None:
    """A name that is taken or leaves the folder, and a place that is not there, are refused."""
    with pytest.raises(VinrError, match=error):
        take_from(name, place, Digest("sha256", "0" * 64), terms)


def test_a_folder_without_weights(terms: Terms, tmp_path: Path) -> None:
    """A folder without the set says what was looked for in it."""
    with pytest.raises(WeightsError, match="has neither"):
        take_from("mine", str(tmp_path), terms=terms)


def test_an_unwritable_home(
    record: WeightsRecord, terms: Terms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that cannot be made is an error that names VINR_HOME."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VINR_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="VINR_HOME"):
        install_record(record, terms)


def test_the_home_of_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without VINR_HOME, everything is below the platform's cache folder."""
    monkeypatch.delenv("VINR_HOME")
    monkeypatch.setattr(
        "vinr_cli.weights.cache.platformdirs.user_cache_path", lambda *_, **__: tmp_path / "c"
    )
    assert cache.home() == tmp_path / "c"


# -- the Hub --------------------------------------------------------------------------------------


def test_a_model_of_the_hub_by_its_name(
    hub: Hub, tiny: Path, terms: Terms, web: Web, tmp_path: Path
) -> None:
    """`hf:org/name` is fetched on first use, then found without a request, listed and removed."""
    repository = hub.repositories["org/name"] = Repository()
    commit = repository.commit({"model.safetensors": tiny.read_bytes()})
    path = find_weights("hf:org/name")
    asked = len(hub.seen)
    assert find_weights("hf:org/name@main") == path
    assert load_model("hf:org/name").config == load_model(tiny).config
    assert len(hub.seen) == asked
    row = listing.list_models()[-1]
    assert (row.name, row.state) == ("hf:org/name@main", listing.VERIFIED)
    assert commit in row.source

    stick = replace(terms, folder=tmp_path / "stick")
    fetch_named("hf:org/name", stick, consent=agree)
    listing.remove_model("hf:org/name")
    assert not path.exists()
    assert not path.resolve().exists()
    hub.repositories.clear()
    assert take_from("hf:org/name", str(tmp_path / "stick"), terms=terms).commit == commit
    assert find_weights("hf:org/name").read_bytes() == tiny.read_bytes()


def test_a_model_of_another_program(hub: Hub, terms: Terms) -> None:
    """A model of the Hub that is no network of vinr is refused and not listed."""
    hub.repositories["org/other"] = Repository()
    hub.repositories["org/other"].commit({"model.safetensors": b"\x02\0\0\0\0\0\0\0{}"})
    with pytest.raises(WeightsError, match="does not say which network"):
        fetch_named("hf:org/other", terms, consent=agree)
    assert [row.name for row in listing.list_models()] == [r.name for r in RECORDS]


# -- the authors' weights -------------------------------------------------------------------------


@pytest.fixture
def official(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], WeightsRecord]:
    """The official record, with a small network's checkpoint behind loopback origins."""
    small = ModelConfig.published(width=8, deform_groups=2, front_blocks=1, back_blocks=1)
    monkeypatch.setattr("vinr_cli.weights.convert.ModelConfig.published", lambda: small)
    from vinr_cli.weights.pretrained import VideoINR

    state = {f"module.{k}": v for k, v in VideoINR(small).state_dict().items()}
    torch.save(state, tmp_path / "G.pth")
    content = (tmp_path / "G.pth").read_bytes()
    known = find_record(OFFICIAL)
    assert known is not None
    changed = replace(
        known,
        origins=(f"{web.url}/gone.pth", web.put("/fork/G.pth", content)),
        digest=Digest("git-blob", git_blob(content)),
    )
    monkeypatch.setattr("vinr_cli.weights.records.RECORDS", (RECORDS[0], changed))
    return lambda: changed


def test_the_official_weights_are_asked_about(
    official: Callable[[], WeightsRecord], terms: Terms, web: Web
) -> None:
    """Without consent nothing is requested; with it, the next origin serves and is converted."""
    with pytest.raises(UsageError, match=r"state no licence.*--accept-unlicensed"):
        fetch_named(OFFICIAL, terms, consent=lambda _: False)
    assert not web.seen

    asked: list[str] = []

    def note(record: WeightsRecord) -> bool:
        asked.append(record.name)
        return True

    stamp = fetch_named(OFFICIAL, terms, consent=note)

    assert asked == [OFFICIAL]
    assert [r.path for r in web.seen] == ["/gone.pth", "/fork/G.pth"]
    network = load_model(OFFICIAL)
    assert network.config.family == "published"
    assert stamp.licence == ""
    assert files_below(cache.models_folder()) == [
        f"{OFFICIAL}/model.safetensors",
        f"{OFFICIAL}/stamp.json",
    ]


def test_the_official_record() -> None:
    """The record states the facts that were found: no licence, git's blob id, three origins."""
    record = find_record(OFFICIAL)
    assert record is not None
    assert (record.licence, record.checkpoint, record.family) == ("", True, "published")
    assert record.digest == Digest("git-blob", "bb2b4d0a3c2fe32d3bc51137eed4d53093f5ef7b")
    assert all(url.startswith("https://") for url in record.origins)


def test_the_stamp_is_plain_json(record: WeightsRecord, terms: Terms) -> None:
    """A stamp has the file's name alone, so that its folder can be moved."""
    path = install_record(record, terms).path
    fields = json.loads(path.with_name(cache.STAMP).read_text())
    assert fields["path"] == "model.safetensors"
