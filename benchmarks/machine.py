"""What the figures were measured on."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import apsw


def facts(temporary: Path) -> dict[str, str]:
    """Return the facts that move the figures: processor, Python, versions, file system."""
    return {
        "machine": f"{os.cpu_count()} cores ({_processor()}), load {_load()} before the run",
        "system": f"{platform.system()} {platform.release()}, {_file_system(temporary)} under {temporary.parent}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, gc on, switch interval "
        f"{sys.getswitchinterval() * 1000:g} ms",
        "versions": ", ".join(f"{name} {_version(name)}" for name in ("whence", "msgspec", "apsw", "opentelemetry-sdk"))
        + f", SQLite {apsw.sqlite_lib_version()}",
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds a path (Linux), from the longest mount point above it."""
    best, kind = "", "unknown file system"
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return kind
    for line in mounts:
        _, point, found, *_ = line.split()
        inside = path.is_relative_to(point)
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind
