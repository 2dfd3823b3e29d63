"""What `import whence` adds to the start of a program: a fresh process that imports it, less one that imports nothing.

Wall time of the whole process, in rounds of bare Python, whence, `opentelemetry.sdk.trace`; the first round writes the
byte code and is not counted. `import whence` loads its parts when they are first used, so what they cost is shown too.
"""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter_ns

from benchmarks.rounds import ratios, spread
from benchmarks.table import Line, Options

_PROGRAMS = {
    "bare": "pass",
    "whence": "import whence",
    "otel": "import opentelemetry.sdk.trace",
    "doors": "import whence.tracing; whence.trace, whence.tracing.TraceContext",
    "first": "from whence.tracing import TraceContext; TraceContext.start(project_name='bench').record('a', 'b', {})",
}


def _process_ms(program: str, folder: Path) -> float:
    environment = {**os.environ, "WHENCE_DATA": str(folder / "import")}
    before = perf_counter_ns()
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, env=environment)
    return (perf_counter_ns() - before) / 1e6


def importing(options: Options) -> list[Line]:
    """The line."""
    found: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    folder = options.temporary  # not the checkout: its folder would be looked through for every module
    for number in range(1 + (11 if options.quick else 31)):
        for name, program in _PROGRAMS.items():
            taken = _process_ms(program, folder)
            if number:
                found[name].append(taken)
    beyond = {
        name: [taken - bare for taken, bare in zip(figures, found["bare"], strict=True)]
        for name, figures in found.items()
    }
    ours, theirs = beyond["whence"], beyond["otel"]
    return [
        Line(
            work="import, beyond bare Python",
            unit="ms",
            whence=spread(ours).median,
            otel=spread(theirs).median,
            ratio=ratios(ours, theirs),
            limit=45,
            note=f"bare {spread(found['bare']).median:.0f} ms",
        ),
        *(
            Line(
                work=work,
                unit="ms",
                whence=spread(beyond[name]).median,
                otel=spread(theirs).median,
                ratio=ratios(beyond[name], theirs),
            )
            for name, work in (
                ("doors", "import with both doors that record (whence.trace, whence.tracing)"),
                ("first", "import, open a spool and record one decision"),
            )
        ),
    ]
