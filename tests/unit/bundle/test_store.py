"""Trust stores: who is believed, who not any more, and that no mishap makes it otherwise."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from specseal.bundle import store
from specseal.bundle.keys import PublicKey, create_key, read_public_key
from specseal.bundle.store import (
    Revocation,
    TrustStore,
    create_trusted_key,
    read_store,
    revoke,
    trust,
    trusted_keys,
    user_store,
)
from specseal.digests import Digest
from specseal.errors import InputError
from specseal.settings import Settings, load_settings

NOW = datetime(2026, 11, 25, 12, 0, 0, 123, tzinfo=UTC)
REVOKED = NOW.replace(microsecond=0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"SPECSEAL_CONFIG_DIR": str(tmp_path / "config")}, tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> PublicKey:
    return create_key(tmp_path / "private.pem")


@pytest.fixture
def folder(tmp_path: Path, key: PublicKey) -> Path:
    """A store in which the key is trusted."""
    trust(key, tmp_path / "store")
    return tmp_path / "store"


def test_key_made_here_is_trusted_here(settings: Settings) -> None:
    assert trusted_keys(settings) == TrustStore()
    key = create_trusted_key(settings)
    assert trusted_keys(settings).trusted == {key.digest}


def test_key_of_someone_else_is_trusted_once_one_says_so(folder: Path, key: PublicKey) -> None:
    assert read_public_key(trust(key, folder)).digest == key.digest
    assert read_store(folder) == TrustStore(trusted=frozenset([key.digest]))


def test_trusted_file_that_holds_another_key_than_its_name_says_is_refused(
    folder: Path, key: PublicKey, tmp_path: Path
) -> None:
    other = create_key(tmp_path / "other.pem")
    (folder / f"{key.digest}.pem").write_bytes(other.pem)
    with pytest.raises(InputError, match="another key than its name says"):
        read_store(folder)


@pytest.mark.parametrize("name", ["mine.pem", ".hidden.pem", "A.pem"])
def test_key_under_a_name_of_its_own_is_refused(folder: Path, key: PublicKey, name: str) -> None:
    (folder / name).write_bytes(key.pem)
    with pytest.raises(InputError, match="another key than its name says"):
        read_store(folder)


def test_store_that_is_named_must_be_there(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: a trust store is a folder"):
        trusted_keys(settings, tmp_path / "nowhere")


def test_revoked_key_is_not_trusted_and_it_is_known_since_when_and_why(
    folder: Path, key: PublicKey
) -> None:
    expected = Revocation(key=key.digest, revoked=REVOKED, reason="laptop stolen")
    assert revoke(key.digest, folder, reason="laptop stolen", now=NOW) == expected
    assert read_store(folder) == TrustStore(revoked={key.digest: expected})
    assert not (folder / f"{key.digest}.pem").exists()


def test_key_that_nobody_here_trusted_can_be_revoked(tmp_path: Path) -> None:
    revoke(Digest("a" * 64), tmp_path / "store", reason="published by mistake", now=NOW)
    assert set(read_store(tmp_path / "store").revoked) == {"a" * 64}


def test_revocation_holds_though_the_key_was_left_lying_there(folder: Path, key: PublicKey) -> None:
    revoke(key.digest, folder, reason="lost", now=NOW)
    (folder / f"{key.digest}.pem").write_bytes(key.pem)  # as a kill between the two leaves it
    assert read_store(folder).trusted == frozenset()


def test_revoked_key_is_not_trusted_again_by_mistake(folder: Path, key: PublicKey) -> None:
    revoke(key.digest, folder, reason="lost", now=NOW)
    with pytest.raises(InputError, match="revoked on 2026-11-25T12:00:00Z: lost") as caught:
        trust(key, folder)
    assert "--reinstate" in caught.value.mend
    assert read_store(folder).trusted == frozenset()


def test_reason_that_would_command_the_terminal_is_shown_escaped(
    folder: Path, key: PublicKey
) -> None:
    revoke(key.digest, folder, reason="lost\x1b[2J", now=NOW)
    for act in (
        lambda: trust(key, folder),
        lambda: revoke(key.digest, folder, reason="x", now=NOW),
    ):
        with pytest.raises(InputError, match=r"lost\\x1b\[2J"):
            act()
    with pytest.raises(InputError, match=r"lost\\x1b\[2J"):
        read_store(folder).demand_unrevoked(key.digest)


def test_revoked_key_is_trusted_again_where_one_insists(folder: Path, key: PublicKey) -> None:
    revoke(key.digest, folder, reason="the wrong one", now=NOW)
    trust(key, folder, reinstate=True)
    assert read_store(folder) == TrustStore(trusted=frozenset([key.digest]))


def test_first_revocation_is_kept(folder: Path, key: PublicKey) -> None:
    revoke(key.digest, folder, reason="lost", now=NOW)
    with pytest.raises(InputError, match="revoked already, since 2026-11-25T12:00:00Z: lost"):
        revoke(key.digest, folder, reason="no, sold", now=NOW)


@pytest.mark.parametrize("reason", ["", "  "])
def test_revocation_without_a_reason_is_refused(folder: Path, key: PublicKey, reason: str) -> None:
    with pytest.raises(InputError, match="revoked for no reason"):
        revoke(key.digest, folder, reason=reason, now=NOW)
    assert read_store(folder).trusted == {key.digest}


def test_revocation_in_one_store_counts_more_than_trust_in_another(
    settings: Settings, folder: Path, key: PublicKey
) -> None:
    trust(key, user_store(settings))
    revoke(key.digest, folder, reason="lost", now=NOW)
    together = trusted_keys(settings, folder)
    assert (together.trusted, set(together.revoked)) == (frozenset(), {key.digest})
    assert (read_store(folder) | trusted_keys(settings)) == together
    assert together.including([key.digest, Digest("b" * 64)]).trusted == {"b" * 64}


def test_revocation_of_ones_own_is_not_forgotten_over_stores_that_are_named(
    settings: Settings, folder: Path, key: PublicKey, tmp_path: Path
) -> None:
    assert user_store(settings) == settings.config_dir / "trusted"
    revoke(key.digest, user_store(settings), reason="lost", now=NOW)
    other = create_key(tmp_path / "other.pem")
    trust(other, tmp_path / "second")
    for folders in ((folder, tmp_path / "second"), (tmp_path / "second", folder)):
        together = trusted_keys(settings, *folders)
        assert (together.trusted, set(together.revoked)) == ({other.digest}, {key.digest})


@pytest.mark.parametrize("place", ["KEY.pem", "revoked/KEY.json"])
def test_half_of_a_file_never_lies_where_every_file_is_read(
    folder: Path, key: PublicKey, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A write that is killed leaves its half behind: in the store, and not among the revoked."""
    halves = []
    write = store.write_atomically

    def note(path: Path, data: bytes, *, partial_in: Path) -> None:
        halves.append((path, partial_in))
        write(path, data, partial_in=partial_in)

    monkeypatch.setattr(store, "write_atomically", note)
    trust(key, folder)
    revoke(key.digest, folder, reason="lost", now=NOW)
    assert (folder / place.replace("KEY", key.digest), folder) in halves


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda value: value.pop("reason"), "'reason' is a required property"),
        (lambda value: value.update(reason=""), "reason"),
        (lambda value: value.update(revoked="2026-11-25"), "revoked"),
        (lambda value: value.update(revoked="2026-02-30T00:00:00Z"), "revoked: day is out"),
        (lambda value: value.update(key="b" * 64), "another key than its name says"),
        (lambda value: value.update(schema="specseal/revocation/2"), "specseal/revocation/1"),
        (lambda value: value.update(until="never"), "until"),
    ],
)
def test_revocation_that_is_not_whole_is_an_error_and_never_no_revocation(
    folder: Path, key: PublicKey, spoil: object, message: str
) -> None:
    revoke(key.digest, folder, reason="lost", now=NOW)
    path = folder / "revoked" / f"{key.digest}.json"
    value = json.loads(path.read_bytes())
    spoil(value)  # type: ignore[operator]
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_store(folder)


def test_revocation_that_is_rubbish_or_misnamed_is_an_error(folder: Path, key: PublicKey) -> None:
    revoke(key.digest, folder, reason="lost", now=NOW)
    path = folder / "revoked" / f"{key.digest}.json"
    misnamed = path.rename(path.with_suffix(".jsn"))
    with pytest.raises(InputError, match="not the name of a revocation"):
        read_store(folder)
    misnamed.rename(path).write_bytes(b"{}")
    with pytest.raises(InputError, match="final newline is missing"):
        read_store(folder)


def test_nothing_half_written_is_left_by_a_write_that_fails(
    folder: Path, key: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Path, "replace", full)
    with pytest.raises(InputError, match="can't be written: No space left"):
        revoke(key.digest, folder, reason="lost", now=NOW)
    monkeypatch.undo()
    assert read_store(folder).trusted == {key.digest}
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


# Where revocations should be, and something else is


def link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def link_to_a_folder(path: Path) -> None:
    path.with_name("elsewhere").mkdir()
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("put", [Path.touch, link_to_nowhere, link_to_a_folder])
def test_store_whose_revocations_are_no_folder_is_refused(
    folder: Path, put: Callable[[Path], None]
) -> None:
    put(folder / store.REVOKED)
    with pytest.raises(InputError, match="revoked: not a folder"):
        read_store(folder)


def test_own_store_that_is_a_link_to_nowhere_is_not_taken_for_an_empty_one(
    settings: Settings,
) -> None:
    user_store(settings).parent.mkdir(parents=True)
    link_to_nowhere(user_store(settings))
    with pytest.raises(InputError, match="a trust store is a folder"):
        trusted_keys(settings)


def test_revocation_that_is_a_link_to_nowhere_is_not_forgotten(
    folder: Path, key: PublicKey
) -> None:
    (folder / store.REVOKED).mkdir()
    link_to_nowhere(folder / store.REVOKED / f"{key.digest}.json")
    for act in (read_store, partial(trust, key)):
        with pytest.raises(InputError, match="can't be read"):
            act(folder)
