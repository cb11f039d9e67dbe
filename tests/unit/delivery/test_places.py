"""What a person may write as the place of a bundle, and what it means."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specseal.delivery import InArchive, InFolder, InRegistry, parse_place
from specseal.errors import InputError

SHA = "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "version"),
    [
        ("oci://ghcr.io/lab/results:v1", "ghcr.io", "lab/results", "v1"),
        ("oci://localhost:5000/results", "localhost:5000", "results", "latest"),
        (f"oci://127.0.0.1:5000/a/b@sha256:{SHA}", "127.0.0.1:5000", "a/b", f"sha256:{SHA}"),
        (f"oci://ghcr.io/a:t@sha256:{SHA}", "ghcr.io", "a", f"sha256:{SHA}"),
    ],
)
def test_what_starts_with_oci_is_in_a_registry(text, registry, repository, version):
    place = parse_place(text)
    assert isinstance(place, InRegistry)
    found = place.reference
    assert (found.registry, found.repository, found.version) == (registry, repository, version)


def test_what_ends_in_zip_or_is_a_file_is_an_archive(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for text in ("a.zip", "b/A.ZIP", str(tmp_path / "file")):
        assert parse_place(text) == InArchive(path=Path(text))


@pytest.mark.parametrize("text", ["bundle", "./ghcr.io/lab/results", "/data/x", "a b"])
def test_everything_else_is_a_folder(text):
    assert parse_place(text) == InFolder(path=Path(text))


def test_folder_that_is_there_is_meant_even_if_it_looks_like_a_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ghcr.io" / "lab").mkdir(parents=True)
    assert parse_place("ghcr.io/lab") == InFolder(path=Path("ghcr.io/lab"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghcr.io/lab/results:v1", "a registry or a folder"),
        ("localhost:5000/results", "a registry or a folder"),
        ("oci://lab/results", "names no registry"),
        ("oci://results", "names no registry"),
        ("oci://", "not an image reference"),
        ("oci://ghcr.io/../x", "not an image reference"),
        ("oci://user:secret@ghcr.io/x", "not an image reference"),
        ("https://ghcr.io/lab/results", "neither a path nor a registry"),
        ("docker://ghcr.io/lab/results", "neither a path nor a registry"),
    ],
)
def test_what_could_mean_two_things_or_none_is_refused_with_what_to_write(text, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_place(text)
    assert caught.value.mend


@settings(deadline=None)
@given(st.text(max_size=40).filter(lambda text: "\0" not in text))
def test_any_text_is_a_place_or_one_clear_error(text):
    try:
        parse_place(text)
    except InputError:
        return
    except OSError as error:  # a name too long for this file system, or surrogates
        pytest.fail(f"{text!r}: {error}")
