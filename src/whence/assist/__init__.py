"""Questions in plain language: understood by a lexicon that can be read, answered from the records, each sentence cited.

normalising  a question made into words
timewords    words of time → ranges of `whence.query.timerange`
known        ids of the store, and which of them a question names
lexicon      what is asked for, by `lexicon.toml`
parsing      all of these → a typed query, or a question back
commands     the same as a command line
answers/     evidence for each intent, worded
narrating    a model may put the same evidence into words, and add nothing
asking       `ask`
"""

from whence.assist.answer import Answer, Clarification, Generated, Query, Sentence
from whence.assist.asking import ask
from whence.assist.narrating import EndpointNarrator, Narrator, from_environment

__all__ = [
    "Answer",
    "Clarification",
    "EndpointNarrator",
    "Generated",
    "Narrator",
    "Query",
    "Sentence",
    "ask",
    "from_environment",
]
