"""Where things are and how they behave, from the environment and two small TOML files.

Everything lives under one data directory: `WHENCE_DATA`, else the user data directory of the platform.

    <data>/whence.toml       written by people (docs/guide/settings.md)
    <data>/projects.toml     written by `whence projects enable|disable|capture`
    <data>/spool/            what is not stored yet
    <data>/whence.db         the store
    <data>/keys/             the key of keyed hashes
    <documents>/projects/    trace documents; `WHENCE_DOCUMENTS`, else <data>
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from whence.errors import BadInput, StoreUnreachable, WhenceError
from whence.files import private_directory, write_whole
from whence.record.recorder import Policy
from whence.redact.capture import CaptureLevel

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class ProjectConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be said of one project; what is not said is as for every other."""

    enabled: bool = True
    capture: CaptureLevel | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What code passes around; `load` makes it from what users wrote."""

    data: Path
    documents: Path
    enabled: bool = True
    project: str | None = None  # for traces that name none
    capture: CaptureLevel = CaptureLevel.REDACTED
    drain: bool = True  # drain at a trace's end; off where a server drains the same spool
    drain_budget_s: float = 0.1
    diagnose: bool = True  # look for trouble in each run that ends, when it is drained
    code_version: str | None = None  # of the program that records; without it the commit its main file lies in
    full_text: bool = True
    spool_max_bytes: int = 4 * 1024 * 1024 * 1024
    projects: dict[str, ProjectConfig] = {}  # as whence.toml says
    written: dict[str, ProjectConfig] = {}  # as projects.toml says, which wins

    @property
    def spool(self) -> Path:
        """The spool directory."""
        return self.data / "spool"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "whence.db"

    @property
    def hash_key(self) -> Path:
        """The key of keyed hashes."""
        return self.data / "keys" / "hash.key"

    def policy(self, project: str) -> Policy:
        """Return how a project is recorded."""
        return self.resolved(self.written.get(project, self.projects.get(project)))

    def resolved(self, said: ProjectConfig | None) -> Policy:
        """Return what is said of a project, completed by what holds for every other."""
        return Policy(said is None or said.enabled, (said.capture if said is not None else None) or self.capture)


_PLAIN = (
    *("enabled", "project", "capture", "drain", "drain_budget_s", "diagnose", "code_version"),
    *("full_text", "spool_max_bytes"),
)
"""Settings that are taken as they are written."""


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a user may write in whence.toml; every line is optional, the environment wins."""

    enabled: bool | None = None
    project: str | None = None
    capture: CaptureLevel | None = None
    documents: str | None = None
    drain: bool | None = None
    drain_budget_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] | None = None
    diagnose: bool | None = None
    code_version: str | None = None
    full_text: bool | None = None
    spool_max_bytes: Annotated[int, msgspec.Meta(ge=1024 * 1024)] | None = None
    projects: dict[str, ProjectConfig] = {}


def data_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the data directory."""
    given = environment.get("WHENCE_DATA")
    if given:
        return _path("WHENCE_DATA", given)
    import platformdirs  # late: not the standard library, and not needed when WHENCE_DATA says it

    return _path("the user data directory", platformdirs.user_data_dir("whence", appauthor=False))


def _path(name: str, given: str) -> Path:
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError as exc:
        raise BadInput(f"{name} {given!r}: {exc} Set WHENCE_DATA to a directory that exists or can be made") from None


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in force.

    Raises:
        BadInput: a file or a variable says something that is not accepted; the message names it.
    """
    data = data_directory(environment)
    config = _read(data / "whence.toml", Config)
    projects = _read(data / "projects.toml", Config).projects
    chosen: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(config, name)) is not None}
    for name in ("enabled", "drain", "diagnose", "full_text"):
        word = environment.get(f"WHENCE_{name.upper()}")
        if word is not None:
            chosen[name] = _flag(f"WHENCE_{name.upper()}", word)
    for name in ("project", "code_version"):
        if environment.get(f"WHENCE_{name.upper()}"):
            chosen[name] = environment[f"WHENCE_{name.upper()}"]
    if environment.get("WHENCE_CAPTURE"):
        chosen["capture"] = _capture("WHENCE_CAPTURE", environment["WHENCE_CAPTURE"])
    documents = environment.get("WHENCE_DOCUMENTS") or config.documents
    return Settings(
        data=data,
        documents=_path("documents", documents) if documents else data,
        projects=config.projects,
        written=projects,
        **chosen,
    )


def _flag(name: str, word: str) -> bool:
    lowered = word.strip().lower()
    if lowered in _TRUE or lowered in _FALSE:
        return lowered in _TRUE
    raise BadInput(f"{name}={word!r}; accepted: {', '.join(_TRUE + _FALSE)}")


def _capture(name: str, word: str) -> CaptureLevel:
    try:
        return CaptureLevel(word.strip().lower())
    except ValueError:
        raise BadInput(f"{name}={word!r}; accepted: {', '.join(level.value for level in CaptureLevel)}") from None


def _read(path: Path, kind: type[Config]) -> Config:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), kind, strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return kind()
    except PermissionError as exc:
        raise StoreUnreachable(
            f"{path.parent} cannot be read by this user (uid {os.geteuid()}); choose another with WHENCE_DATA or --data, "
            "or mend its permissions"
        ) from exc
    except msgspec.ValidationError as exc:
        raise BadInput(f"{path}: {_explained(exc)}; mend or remove the line") from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise BadInput(f"{path}: {exc}; mend or remove the file") from exc


def _explained(exc: msgspec.ValidationError) -> str:
    """Return what msgspec found in the words of a settings file: what was given, what is accepted."""
    text = str(exc)
    if "unknown field" in text:
        return f"{text}; accepted: {', '.join(Config.__struct_fields__)}; in [projects.NAME]: enabled, capture"
    if "enum value" in text:
        return f"{text}; accepted: {', '.join(level.value for level in CaptureLevel)}"
    return text


def fallback(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return settings for a program that records while the real ones cannot be read: what can be read, else the safe side.

    Text is kept as hashes only, because nobody can say that more was wanted.

    Raises:
        BadInput: not even a place to record into can be told.
    """
    data = data_directory(environment)
    enabled = environment.get("WHENCE_ENABLED", "").strip().lower() not in _FALSE
    try:
        projects = _read(data / "projects.toml", Config).projects
    except WhenceError:
        projects = {}
    given = environment.get("WHENCE_DOCUMENTS")
    return Settings(
        data=data,
        documents=_path("WHENCE_DOCUMENTS", given) if given else data,
        enabled=enabled,
        drain=environment.get("WHENCE_DRAIN", "").strip().lower() not in _FALSE,
        capture=CaptureLevel.HASH,
        written=projects,
    )


def projects_file(data: Path) -> dict[str, ProjectConfig]:
    """Return what projects.toml says."""
    return _read(data / "projects.toml", Config).projects


def write_project(data: Path, project: str, said: ProjectConfig | None) -> None:
    """Set how a project is recorded from now on (None: as every other), in projects.toml."""
    path = data / "projects.toml"
    projects = dict(_read(path, Config).projects)
    if said is None:
        projects.pop(project, None)
    else:
        projects[project] = said
    lines = ["# Written by `whence projects`; whence.toml is yours."]
    for name, each in sorted(projects.items()):
        lines += ["", f"[projects.{_toml_string(name)}]", f"enabled = {str(each.enabled).lower()}"]
        lines += [f'capture = "{each.capture.value}"'] if each.capture is not None else []
    private_directory(data)
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _toml_string(text: str) -> str:
    """Return a TOML basic string (a JSON string is one, once DEL is escaped too)."""
    return re.sub("\x7f", "\\\\u007F", msgspec.json.encode(text).decode())
