"""A report as one HTML page: plots inside it, nothing from elsewhere, no script; what was recorded is text and stays text.

Its Content-Security-Policy allows the one style sheet in it, by its hash, and nothing else.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from whence.cli import render_svg as svg
from whence.cli.render import duration, moment, money
from whence.cli.render_cohorts import sentence
from whence.cli.render_report import ID_SHOWN, made, name_of, spent, summary, title
from whence.cli.render_svg import escaped
from whence.diagnose.reporting import Report, Series
from whence.diagnose.scoreboard import ComponentScore

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2126; --quiet: #66707a; --paper: #ffffff; --line: #dde2e7; --card: #f6f8fa;
  --good: #1a7f5a; --bad: #c2342b; --maybe: #a86500; --accent: #2f6fb3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7eb; --quiet: #95a0ab; --paper: #14181c; --line: #2d343b;
  --card: #1b2026; --good: #4cc38a; --bad: #ff6f61; --maybe: #e0a23a; --accent: #7db3ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p { margin: .4rem 0; } .quiet { color: var(--quiet); }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.cards li { flex: 1 1 8rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.cards b { display: block; font-size: 1.45rem; line-height: 1.2; } .cards span { color: var(--quiet); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--quiet); } th, td { padding: .35rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } .n { text-align: right; white-space: nowrap; }
td.what { min-width: 16rem; } code { font: .85em ui-monospace, monospace; white-space: nowrap; }
.critical, .high { color: var(--bad); font-weight: 600; } .medium { color: var(--maybe); font-weight: 600; }
svg { display: block; width: 100%; height: auto; } svg.share { width: 80px; height: 10px; display: inline-block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); } svg text.quiet { fill: var(--quiet); }
.grid { stroke: var(--line); } .trend { fill: none; stroke: var(--accent); stroke-width: 1.5; } .point { fill: var(--accent); }
.interval { stroke: var(--accent); stroke-opacity: .35; stroke-width: 5; } rect.good, circle.good { fill: var(--good); }
rect.bad { fill: var(--bad); } .cross { stroke: var(--bad); stroke-width: 1.6; fill: none; } rect.cost { fill: var(--accent); }
.change { stroke: var(--maybe); stroke-dasharray: 4 3; } .median { stroke: var(--ink); stroke-width: 1.5; }
rect.recurred { fill: var(--bad); } rect.confirmed { fill: var(--maybe); } rect.pending { fill: var(--quiet); }
rect.resolved { fill: var(--good); } rect.empty { fill: var(--line); }
footer { margin-top: 3rem; color: var(--quiet); font-size: .85rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def page(report: Report) -> str:
    """Return a report as an HTML document."""
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escaped(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escaped(title(report))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    body = [
        f"<header><h1>{escaped(title(report))}</h1><p>{escaped(summary(report))}</p></header>",
        _cards(report),
        *_success(report),
        *_problems(report),
        *_contrasts(report),
        *_components(report),
        *_durations(report),
        *_cost(report),
        f"<footer>{escaped(made(report))}</footer>",
    ]
    return head + "\n".join(each for each in body if each) + "\n</body>\n</html>\n"


def _section(name: str, *parts: str) -> str:
    return f"<section><h2>{escaped(name)}</h2>{''.join(parts)}</section>"


def _cards(report: Report) -> str:
    cards = [
        (f"{report.runs:,}", "runs"),
        (f"{report.success:.0%}" if report.success is not None else "–", "went well"),
        (f"{report.problems_open:,}", "open problems"),
        (f"{report.components_in_all:,}", "components"),
        (money(report.cost_usd), "known cost"),
    ]
    items = "".join(f"<li><b>{escaped(value)}</b><span>{escaped(name)}</span></li>" for value, name in cards)
    return f'<ul class="cards">{items}</ul>'


def _table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    """Return a table: (name, class) of each column; the cells must be escaped already."""
    names = "".join(f'<th scope="col" class="{kind}">{escaped(name)}</th>' for name, kind in head)
    kinds = [kind for _, kind in head]
    lines = "".join(
        "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def _success(report: Report) -> list[str]:
    return [_section("How runs went", svg.success(report.days))] if report.days else []


def _problems(report: Report) -> list[str]:
    if not report.levels:
        return [_section("Problems", '<p class="quiet">None is known.</p>')]
    head = (("severity", ""), ("code", ""), ("what", "what"), ("state", ""), ("times", "n"), ("last seen (UTC)", "n"))
    rows = []
    for each in report.problems:
        label = escaped(each.label)
        command = f"<code>whence findings show {escaped(each.id[:ID_SHOWN])}</code>"
        who = f'<br><span class="quiet">{escaped(", ".join(each.components), 200)}</span>' if each.components else ""
        rows.append(
            (
                f'<span class="{label}">{label}</span>',
                f'{escaped(each.code)}<br><span class="quiet">{escaped(name_of(each))}</span>',
                f"{escaped(each.title)}{who}<br>{command}",
                escaped(each.state),
                f"{each.count:,}",
                escaped(moment(each.last_ns)[:16]),
            )
        )
    more = report.problems_open - len(report.problems)
    tail = f'<p class="quiet">… and {more:,} more: <code>whence findings</code></p>' if more else ""
    return [_section("Problems", svg.severities(report.levels), _table(head, rows) if rows else "", tail)]


def _contrasts(report: Report) -> list[str]:
    name = "What tells bad runs from good ones"
    if not report.contrasts:
        why = report.contrasts_note or "Nothing differs more than chance explains."
        return [_section(name, f'<p class="quiet">{escaped(why)}</p>')]
    rows = []
    for each in report.contrasts:
        what = f"{each.attribute} = {each.value}" if each.kind == "value" else each.attribute
        bars = (
            f"{svg.share_bar(each.bad_share, 'bad')} {svg.share_bar(each.good_share, 'good')}"
            if each.kind == "value"
            else ""
        )
        lift = f"{each.lift:.2f}" if each.lift is not None else "–"
        rows.append((escaped(what, 160), escaped(sentence(each)), bars, lift, f"{each.p_adjusted:.2g}"))
    head = (("what", "what"), ("how often", ""), ("bad, good", ""), ("lift", "n"), ("p, adjusted", "n"))
    return [_section(name, _table(head, rows))]


def _components(report: Report) -> list[str]:
    if not report.components:
        return []
    head = (
        *(("component", ""), ("runs", "n"), ("went well", "n"), ("", ""), ("failed", "n"), ("p50", "n"), ("p95", "n")),
        *(("cost", "n"), ("off by", "n"), ("open problems", "n"), ("versions", "n")),
    )
    more = report.components_in_all - len(report.components)
    tail = f'<p class="quiet">… and {more:,} more: <code>whence components</code></p>' if more else ""
    told = '<p class="quiet">off by: how far stated confidences are from how often runs went well, on average</p>'
    return [_section("Components", _table(head, map(_component, report.components)), tail, told)]


def _component(each: ComponentScore) -> Sequence[str]:
    share = each.success
    return (
        escaped(each.component) or "–",
        f"{each.runs:,}",
        f"{share:.0%}" if share is not None else "–",
        svg.share_bar(share, "good") if share is not None else "",
        f"{each.failed:,}",
        escaped(duration(each.p50_s)),
        escaped(duration(each.p95_s)),
        escaped(money(each.cost_usd)),
        f"{each.ece:.2f}" if each.ece is not None else "–",
        f"{each.problems:,}",
        f"{len(each.versions):,}",
    )


def _durations(report: Report) -> list[str]:
    if not report.series:
        return []
    words = (
        "A dot is a run that went well, a cross one that went wrong; what took much longer than the others stands at "
        "the upper edge; a dashed line is where the durations changed."
    )
    return [_section("How long components took", f'<p class="quiet">{words}</p>', *map(_series, report.series))]


def _series(series: Series) -> str:
    change = series.change
    told = f"{series.runs:,} runs"
    if change is not None:
        told = (
            f"since {moment(change.ts_ns)[:16]} UTC half of the runs take {duration(change.after_s)} or more, "
            f"before {duration(change.before_s)} (p {change.p:.2g})"
        )
        told += f"; with {'; '.join(change.versions)}" if change.versions else ""
    return f'<h3>{escaped(series.component)}</h3><p class="quiet">{escaped(told, 600)}</p>{svg.durations(series)}'


def _cost(report: Report) -> list[str]:
    if not report.calls:
        return []
    plot = svg.costs(report.days) if any(each.cost_usd is not None for each in report.days) else ""
    return [_section("Cost", f"<p>{escaped(spent(report))}</p>", plot)]
