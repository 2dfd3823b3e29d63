"""Findings, what people said of them, and the problems that they are: projected from new records.

A fixed number of statements per batch (see `deriving`), and none for a batch without findings.
"""

from collections.abc import Iterable
from typing import Final

import apsw
import msgspec

from whence.store import findings
from whence.store.findings import Facts, Said, Seen
from whence.store.sqlite import rows
from whence.store.sqlite.queries import sql

AT_ONCE: Final = 50_000
"""How many records are looked at in one go when everything is projected anew, to bound memory."""

_facts = msgspec.json.Decoder(list[Facts])


def project(connection: apsw.Connection, after: int, until: int) -> None:
    """Project the records in a range of numbers, and bring the problems that they touch up to date.

    Args:
        connection: in a transaction.
        after: the number of the last record before them.
        until: that of the last of them.
    """
    seen: list[tuple[int, Seen]] = []
    said: list[tuple[int, Said]] = []
    for n, *columns in connection.execute(sql("new_findings"), {"after": after, "until": until}):
        record = rows.record_of(columns)
        finding, word = findings.seen_of(record), findings.said_of(record)
        if finding is not None:
            seen.append((n, finding))
        elif word is not None:
            said.append((n, word))
    if seen:
        _insert_findings(connection, seen)
    if said:
        states = [(n, w.record_id, w.ts_ns, w.project, w.fingerprint, w.state, w.by, w.note) for n, w in said]
        connection.execute(sql("insert_finding_states"), {"states": _json(states)})
    touched = {(finding.project, finding.fingerprint) for _, finding in seen if finding.fingerprint}
    touched.update((word.project, word.fingerprint) for _, word in said)
    if touched:
        _derive_problems(connection, touched)


def project_anew(connection: apsw.Connection) -> None:
    """Project every record there is into tables that are empty."""
    last = int(connection.execute(sql("last_n")).get)
    for after in range(0, last, AT_ONCE):
        project(connection, after, after + AT_ONCE)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _insert_findings(connection: apsw.Connection, seen: list[tuple[int, Seen]]) -> None:
    table = [
        (
            n, each.record_id, each.ts_ns, each.trace, each.project, each.finding.code, each.severity,
            each.fingerprint, each.occurrence, each.sure, each.live, each.first_ns, each.last_ns, each.finding,
        )
        for n, each in seen
    ]  # fmt: skip
    connection.execute(sql("insert_findings"), {"findings": _json(table)})
    components = [(component, n) for n, each in seen for component in each.finding.components]
    if components:
        connection.execute(sql("insert_finding_components"), {"components": _json(components)})


def _derive_problems(connection: apsw.Connection, touched: Iterable[tuple[str, str]]) -> None:
    facts = _facts.decode(connection.execute(sql("problem_facts"), {"problems": _json(list(touched))}).get)
    if facts:
        table = [(*msgspec.structs.astuple(findings.problem_of(each)), each.n) for each in facts]
        connection.execute(sql("upsert_problems"), {"rows": _json(table)})
