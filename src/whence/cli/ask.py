"""`whence ask`: a question in plain language, answered from the records."""

import sys

from whence.assist import Answer, ask, from_environment
from whence.assist.parsing import EXAMPLES
from whence.cli import reading, render
from whence.cli.options import Json, Project
from whence.errors import BadInput, NotFound

NOT_KNOWN = NotFound.exit_code
"""The exit code where it is asked back, or nothing recorded answers: as of every command that does not find what is asked for."""


def ask_(*question: str, project: Project = None, json: Json = False) -> int:
    """Answer a question in plain language, each sentence with the records it rests on; 3 where nothing answers it.

    Args:
        question: What you want to know, in English.
    """
    words = " ".join(question).strip()
    if not words:
        if sys.stdin.isatty() and not json:
            render.note("whence: ask something, such as")
            render.show(render.commands(f'whence ask "{each}"' for each in EXAMPLES))
            return 0
        raise BadInput(f'no question; give one, such as whence ask "{EXAMPLES[0]}"')
    narrator = from_environment()  # a wrong setting is said before anything is read
    answer = ask(words, store=reading.ready(), narrate=narrator, project=project)
    _print(answer, json=json)
    return 0 if answer.known else NOT_KNOWN


def _print(answer: Answer, *, json: bool) -> None:
    if json:
        render.as_json(answer.as_dict())
        return
    from whence.cli import render_ask

    render.show(render_ask.answer(answer))
