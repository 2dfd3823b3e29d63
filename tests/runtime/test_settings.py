"""Settings: environment over file over defaults; what is not accepted is named, and never stops recording."""

from pathlib import Path

import pytest

import whence
from whence.errors import BadInput
from whence.record.recorder import Policy
from whence.redact.capture import CaptureLevel
from whence.runtime import runtime as process
from whence.runtime.settings import ProjectConfig, load, write_project


def test_the_environment_wins_over_the_file(data: Path) -> None:
    data.mkdir()
    (data / "whence.toml").write_text('project = "file"\ncapture = "preview"\n[projects.loud]\nenabled = false\n')

    settings = load({"WHENCE_DATA": str(data), "WHENCE_PROJECT": "env", "WHENCE_DRAIN": "off"})

    assert (settings.project, settings.capture, settings.drain) == ("env", CaptureLevel.PREVIEW, False)
    assert not settings.policy("loud").enabled
    assert settings.policy("other") == Policy(True, CaptureLevel.PREVIEW)


@pytest.mark.parametrize(
    ("file", "environment", "said"),
    [
        ("projekt = 1", {}, "projekt"),
        ("capture = 'all'", {}, "capture"),
        ("= nonsense", {}, "whence.toml"),
        ("", {"WHENCE_ENABLED": "maybe"}, "WHENCE_ENABLED='maybe'; accepted: 1, true"),
        ("", {"WHENCE_CAPTURE": "everything"}, "hash, preview, redacted, full"),
    ],
)
def test_what_is_not_accepted_is_named(data: Path, file: str, environment: dict[str, str], said: str) -> None:
    data.mkdir()
    (data / "whence.toml").write_text(file)

    with pytest.raises(BadInput, match=said):
        load({"WHENCE_DATA": str(data), **environment})


def test_settings_that_cannot_be_read_do_not_stop_the_host(data: Path) -> None:
    data.mkdir()
    (data / "whence.toml").write_text("broken")
    process.use(None)

    with whence.trace("p") as trace:
        trace.decision("d", what=1)

    assert whence.stats()["last_internal_error"] == "settings: BadInput"
    assert trace.telemetry_persisted


@pytest.mark.parametrize("name", ["plain", "with space", 'quo"te', "üñí", "a.b", "back\\slash"])
def test_projects_are_written_and_read_back(data: Path, name: str) -> None:
    write_project(data, name, ProjectConfig(enabled=False, capture=CaptureLevel.HASH))
    write_project(data, "other", ProjectConfig())

    assert load({"WHENCE_DATA": str(data)}).policy(name) == Policy(False, CaptureLevel.HASH)
    write_project(data, name, None)
    assert load({"WHENCE_DATA": str(data)}).policy(name) == Policy()
