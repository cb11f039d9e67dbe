from __future__ import annotations

from pathlib import Path

import pytest

from specseal.errors import InputError
from specseal.settings import load_settings


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SPECSEAL_CONFIG_DIR": str(tmp_path / "config"), "HOME": str(tmp_path)}


def test_without_any_file_defaults_hold(environ: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings(environ, tmp_path)
    assert settings.runs_dir == tmp_path / "artifacts" / "runs"
    assert settings.signing_key == tmp_path / "config" / "signing-key.pem"
    assert settings.mirrors == {}


def test_environment_wins_over_working_folder_over_user_file(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "specseal.toml").write_text(
        'docker_host = "unix:///user"\nruns_dir = "user"\nwheel_dir = "wheels"\n'
    )
    (tmp_path / "specseal.toml").write_text('docker_host = "unix:///here"\nruns_dir = "here"\n')
    settings = load_settings({**environ, "SPECSEAL_RUNS_DIR": "environment"}, tmp_path)
    assert settings.wheel_dir == tmp_path / "wheels"
    assert settings.docker_host == "unix:///here"
    assert settings.runs_dir == tmp_path / "environment"


def test_a_named_file_is_read_alone(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "specseal.toml").write_text('docker_host = "unix:///here"\n')
    (tmp_path / "other.toml").write_text('[mirrors]\n"docker.io" = "http://127.0.0.1:5000"\n')
    settings = load_settings({**environ, "SPECSEAL_CONFIG": str(tmp_path / "other.toml")}, tmp_path)
    assert settings.docker_host is None
    assert settings.mirrors == {"docker.io": "http://127.0.0.1:5000"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('miror = "x"', "unknown key 'miror'"),
        ("docker_host = 1", "docker_host: expected a string"),
        ('mirrors = "x"', "mirrors: expected a table"),
        ("[mirrors]\nx = 1", "mirrors: expected a table"),
        ("= nonsense", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_by_name(
    text: str, said: str, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "specseal.toml").write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        load_settings(environ, tmp_path)
    assert "specseal.toml" in caught.value.message


def test_a_named_file_that_is_not_there_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.toml: can't be read"):
        load_settings({**environ, "SPECSEAL_CONFIG": str(tmp_path / "gone.toml")}, tmp_path)
