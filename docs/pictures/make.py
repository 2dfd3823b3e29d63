"""Draw the pictures of the documentation from a real run: `python docs/pictures/make.py` in a checkout.

The demo is run into a temporary folder, and what the commands print on a terminal is drawn as SVG. No font is fetched from
anywhere: a picture uses whatever monospaced font its reader has.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 100
WHENCE = (sys.executable, "-m", "whence")

# A dark terminal with its own background and edge: it stands on a light page as well as on a dark one.
THEME = TerminalTheme(
    (22, 27, 34),
    (208, 215, 222),
    [
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
FORMAT = re.sub(r" *@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.S)
FORMAT = re.sub(r"font-family: Fira Code, monospace", f"font-family: {FONT}", FORMAT)


def draw(
    name: str, words: tuple[str, ...], environment: dict[str, str], *, until: str | None = None, cwd: str | None = None
) -> None:
    """Run `whence …` and write what it prints to `<name>.svg`, as far as the line that begins with `until`."""
    done = subprocess.run([*WHENCE, *words], env=environment, cwd=cwd, capture_output=True, text=True, check=True)
    shown = Text.from_ansi(done.stdout.strip("\n")).split("\n")
    if until is not None:
        end = next(number for number, line in enumerate(shown) if line.plain.startswith(until))
        shown = shown[: end + 1]
        shown.append(Text("  …", "dim"))
    console = Console(
        file=io.StringIO(), record=True, width=WIDTH, color_system="truecolor", force_terminal=True, highlight=False
    )
    console.print(Text.assemble(("$ ", "green"), (f"whence {' '.join(words)}", "bold")))
    for line in shown:
        line.rstrip()
        console.print(line)
    svg = console.export_svg(title="", theme=THEME, code_format=FORMAT, unique_id=f"whence-{name}")
    (HERE / f"{name}.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.M), encoding="utf-8")


def main() -> None:
    """Draw every picture."""
    with tempfile.TemporaryDirectory(prefix="whence-pictures-") as folder:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("WHENCE_") and key != "NO_COLOR"},
            "WHENCE_DATA": str(Path(folder) / ".whence-demo"),
            "COLUMNS": str(WIDTH),
            "FORCE_COLOR": "1",
            "TERM": "xterm-256color",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # so that `whence` is its name
        }
        draw("demo", ("demo",), environment, until="What happened")
        draw("why", ("why",), environment, until="Against")
        made = [*WHENCE, "demo", "--generation", "--json"]
        done = subprocess.run(made, env=environment, cwd=folder, capture_output=True, text=True, check=True)
        blame = json.loads(done.stdout)["blame"]
        line = next(each["line"] for each in blame["lines"] if each["step"]["action"] == "heal")
        file = os.path.relpath(blame["path"], folder)
        draw("blame", ("blame", f"{file}:{line}"), environment, until="Unharmed", cwd=folder)


if __name__ == "__main__":
    main()
