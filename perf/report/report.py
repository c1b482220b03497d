#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""report.py FILE.json... -o report.html [--notes FILE] [--expect NAME...] - one page of all that was found.

One file that needs no other, no script and no network: first the figures that must reach something,
whether they do, and which runs failed or, of those that are expected, are not there; then where the cycles
go, as FILE (Markdown) says; then each run with all its figures, pictures, ledger and asserts, and what
could not be measured, with the reason.
"""
import argparse
import html
import pathlib
import re
import sys

import notes
import plot
import results
from results import Refused, extremes, show

CSS = pathlib.Path(__file__).with_name("page.css")
# What the header shows of an environment: its words, and a line of its fields.
MACHINE = (("machine", ("cpu", "hypervisor", "kernel")),
           ("CPUs", ("online", "allowed", "used", "isolated", "nohz_full", "siblings")),
           ("clock", ("tsc_mhz", "tsc_invariant", "clock", "governor")),
           ("memory", ("memory", "nodes", "used_nodes")),
           ("software", ("flx", "commit", "dpdk", "compiler", "checked")))
# Those whose names do not tell what they are.
LABELS = {"cpu": "", "kernel": "Linux", "flx": "flx", "dpdk": "", "compiler": "", "memory": "",
          "tsc_mhz": "TSC MHz", "tsc_invariant": "TSC invariant:", "clock": "kernel's clock",
          "nodes": "NUMA nodes", "used_nodes": "of these used", "checked": "assertions built in:"}
# As many runs as a figure is to have.
RUNS = 5
LEDGER = ("fabrics", "received", "generated", "delivered", "consumed", "dropped", "in_flight",
          "unexplained")


def text(value):
    return html.escape(str(value))


def words(value):
    """What JSON holds, as a reader has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return show(value) if results.is_number(value) else str(value)


def cell(name, content, kind=""):
    """@name: of the column, for those who see a card for each row."""
    inside = f"<div>{content}</div>" if content else ""
    return f'<td class="{kind}" data-is="{text(name)}">{inside}</td>'


def table(names, rows, numbers=()):
    """@rows: of HTML, with what they are of first; @numbers: the columns that hold some."""
    kinds = ["name" if at == 0 else "number" if name in numbers else ""
             for at, name in enumerate(names)]
    head = "".join(f'<th class="{kind}">{text(name)}</th>' for name, kind in zip(names, kinds))
    body = "".join("<tr>" + "".join(map(cell, names, row, kinds)) + "</tr>" for row in rows)
    return (f'<div class="wide"><table class="{"numbers" if numbers else "cards"}">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")


# ---------------------------------------------------------------------------------------------- figures


def few(figure):
    """What is to be said of its number of runs: of so few, the range says little."""
    return f"fewer than {RUNS}" if len(figure["runs"]) < RUNS else ""


def measured(figure):
    """Median, range, unit and runs."""
    count = len(figure["runs"])
    least, most = extremes(figure)
    note = f", {few(figure)}" if few(figure) else ""
    return (f"<strong>{show(figure['value'])}</strong> [{show(least)} .. {show(most)}] "
            f"{text(figure['unit'])}<span class=\"what\">{count} "
            f"run{'' if count == 1 else 's'}{note}</span>")


def run_count(figure):
    note = f'<span class="what">{few(figure)}</span>' if few(figure) else ""
    return f"{len(figure['runs'])}{note}"


def bound(claim):
    """A claim, and what it comes to in this run where it depends on another figure."""
    if not claim:
        return ""
    limit = claim.get("limit")
    said = text(claim["claim"])
    for written, shown in (("&lt;= ", "≤&nbsp;"), ("&gt;= ", "≥&nbsp;"), ("*", "×")):
        said = said.replace(written, shown)
    if limit is not None and re.search("[a-z_]", claim["claim"]):
        said += f'<span class="what">here {show(limit)}</span>'
    return said


def verdict(claim, miss):
    """(class, word) for whether a claim holds; @miss: the word for one that does not."""
    # Without a limit: what it is a multiple of was not measured. Older files say no more than that.
    if not claim or "holds" not in claim or "limit" not in claim or not claim.get("known", True):
        return "open", "not measured"
    return ("good", "ok") if claim["holds"] else ("bad", miss)


def judged(claim, miss):
    kind, word = verdict(claim, miss)
    return f'<span class="{kind}">{word}</span>' if claim else ""


def aimed(target):
    """A target, which nothing fails for."""
    return f"{bound(target)} {judged(target, 'not reached')}".strip().replace('"bad"', '"open"')


def named(figure):
    what = f'<span class="what">{text(figure["what"])}</span>' if "what" in figure else ""
    return text(figure["name"]) + what


def beside(figure):
    if "floor" not in figure:
        return ""
    ratio = f"{show(figure['ratio'])} x " if "ratio" in figure else ""
    return f"{ratio}{text(figure['floor']['name'])}" \
           f"<span class=\"what\">there {show(figure['floor']['value'])}</span>"


def must_rows(runs):
    """All figures that must reach something: (verdict, row), those that were not measured too."""
    for data in runs:
        found = {figure["name"] for figure in data["results"]}
        for figure in data["results"]:
            if "must" in figure:
                yield verdict(figure["must"], "MISSED")[1], (
                    named(figure), bound(figure["must"]), aimed(figure.get("target")),
                    measured(figure), beside(figure), judged(figure["must"], "MISSED"))
        for figure in data.get("skipped", []):
            if "must" in figure and figure["name"] not in found:
                yield "not measured", (
                    named(figure), bound(figure["must"]), bound(figure.get("target")),
                    text(figure["reason"]), "", '<span class="open">not measured</span>')


def troubles(runs, expected):
    """What a run did that makes nobody believe the page: "hop failed"; of those that are not there too."""
    for data in runs:
        name, status = results.part(data), data.get("exit", 0)
        if data.get("interrupted"):
            yield f"{name} was interrupted"
        elif data.get("failed"):
            yield f"{name} failed"
        elif status not in (0, results.LIMITED):
            yield f"{name} ended with status {status}"
    there = {results.part(data) for data in runs}
    for name in dict.fromkeys(expected):
        if name not in there:
            yield f"{name} did not run"


def must_section(runs, expected):
    rows, wrong = list(must_rows(runs)), list(troubles(runs, expected))
    count = {word: sum(1 for said, _ in rows if said == word)
             for word in ("ok", "MISSED", "not measured")}
    kind = "bad" if count["MISSED"] or wrong else "open" if count["not measured"] or not rows else "good"
    said = (f'{count["ok"]} of {len(rows)} hold, {count["MISSED"]} MISSED, '
            f'{count["not measured"]} not measured') if rows else "None of these figures has a bound."
    return (f'<p class="verdict {kind}">{said}</p>'
            + "".join(f'<p class="verdict bad">{text(trouble)}</p>' for trouble in wrong)
            + (table(("figure", "must", "target", "measured", "beside", "verdict"),
                     [cells for _, cells in rows]) if rows else ""))


def result_rows(data):
    for figure in data["results"]:
        least, most = extremes(figure)
        must = figure.get("must")
        yield (named(figure), f"<strong>{show(figure['value'])}</strong>", show(least), show(most),
               text(figure["unit"]), run_count(figure), beside(figure),
               f"{bound(must)} {judged(must, 'MISSED')}".strip())


# -------------------------------------------------------------------------------------------- the header


def machine_lines(environment):
    known = set()
    for name, keys in MACHINE:
        parts = []
        for key in keys:
            known.add(key)
            value = environment.get(key)
            if value not in (None, "", False):
                parts.append(f"{LABELS.get(key, key.replace('_', ' '))} {words(value)}".strip())
        if parts:
            yield name, ", ".join(parts)
    pages = environment.get("hugepages")
    if isinstance(pages, list):
        yield "hugepages", ", ".join(
            f"{words(size.get('free', '?'))} of {words(size.get('total', '?'))} of "
            f"{words(size.get('kib', '?'))} KiB free" for size in pages if isinstance(size, dict))
    for key, value in environment.items():
        if key not in known | {"hugepages", "warnings", "load", "running", "steal_per_mille"} \
                and not isinstance(value, (list, dict)):
            yield key, words(value)


def environment_block(environment):
    lines = "".join(f"<dt>{text(name)}</dt><dd>{text(line)}</dd>"
                    for name, line in machine_lines(environment))
    return f"<dl>{lines}</dl>" if lines else "<p>The environment is not known.</p>"


def steady(environment):
    """What of an environment is of the machine and the program, not of the moment."""
    return {key: value for key, value in environment.items()
            if key not in ("load", "running", "steal_per_mille", "warnings", "hugepages", "used",
                           "siblings", "used_nodes", "tsc_mhz")}


def all_warnings(runs):
    """Of all runs, each once; what differs between their machines among them."""
    first = runs[0].get("environment", {}) if runs else {}
    said = [f"{results.part(data)}: the generator was the limit: what it drove may be faster"
            for data in runs if data.get("exit") == results.LIMITED]
    for data in runs[1:]:
        other = data.get("environment", {})
        differ = sorted(key for key in steady(first).keys() | steady(other).keys()
                        if steady(first).get(key) != steady(other).get(key))
        if differ:
            said.append(f"{data['scenario']} ran in another environment than {runs[0]['scenario']}: "
                        f"{', '.join(differ)} differ, so do not compare their figures")
    for data in runs:
        warnings = data.get("environment", {}).get("warnings", [])
        said += [str(warning) for warning in warnings] if isinstance(warnings, list) else []
    return list(dict.fromkeys(said))


def header(runs):
    flags = dict.fromkeys(str(flag) for data in runs for flag in data.get("flags", []))
    warnings = all_warnings(runs)
    started = sorted(data["started"] for data in runs if "started" in data)
    span = f"{started[0]} to {started[-1]}" if started and started[0] != started[-1] else \
        started[0] if started else "at an unknown time"
    seconds = sum(data.get("seconds", 0) for data in runs)
    return "".join((
        "<h1>flxperf report</h1>",
        f'<p class="dim">{len(runs)} scenario{"" if len(runs) == 1 else "s"}, {text(span)}, '
        f"{show(round(seconds))} s of measuring</p>",
        "<p>" + "".join(f'<span class="flag">{text(flag)}</span>' for flag in flags) + "</p>"
        if flags else "",
        environment_block(runs[0].get("environment", {}) if runs else {}),
        '<ul class="warnings">' + "".join(f"<li>{text(warning)}</li>" for warning in warnings) + "</ul>"
        if warnings else ""))


# ------------------------------------------------------------------------------------------- a scenario


def ledger_block(ledger):
    if not ledger:
        return ""
    parts = [f"{key.replace('_', ' ')} {words(ledger[key])}" for key in LEDGER[:-1] if key in ledger]
    unexplained = ledger.get("unexplained")
    kind = "good" if unexplained == 0 else "bad"
    word = words(unexplained) if unexplained is not None else "unknown"
    return (f"<h3>Ledger</h3><p>{text(', '.join([*parts, '']))}"
            f'<span class="{kind}">unexplained {text(word)}</span></p>')


def asserts_block(asserts):
    if not asserts:
        return ""
    kinds = {"holds": "good", "fails": "bad"}
    rows = [(f"<code>{text(said['claim'])}</code>",
             f'<span class="{kinds.get(said["result"], "open")}">{text(said["result"])}</span>',
             text(said.get("says", ""))) for said in asserts]
    return "<h3>Asserts</h3>" + table(("claim", "result", "says"), rows)


def skipped_block(skipped):
    if not skipped:
        return ""
    rows = [(named(figure), text(figure["reason"])) for figure in skipped]
    return "<h3>Not measured here</h3>" + table(("figure", "why"), rows)


def pictures_block(data, number):
    parts = []
    for index, picture in enumerate(plot.pictures(data)):
        svg = plot.inside_page(plot.draw([picture]), f"s{number}p{index}-")
        parts.append(f"<figure>{svg}</figure>")
    return "".join(parts)


def status_line(data):
    parts = [text(data["started"])] if "started" in data else []
    if "seconds" in data:
        parts.append(f"{data['seconds']:.1f} s")
    steal = data.get("environment", {}).get("steal_per_mille")
    if results.is_number(steal):
        parts.append(f"steal {steal:.1f} per mille")
    load = data.get("environment", {}).get("load")
    if results.is_number(load):
        parts.append(f"load {load:.1f} before")
    if data.get("interrupted"):
        parts.append('<span class="bad">interrupted: what follows is what there was by then</span>')
    if data.get("failed"):
        parts.append('<span class="bad">a run failed</span>')
    if data.get("exit"):
        kind = "open" if data["exit"] == results.LIMITED else "bad"
        parts.append(f'<span class="{kind}">exit status {data["exit"]}</span>')
    return f'<p class="dim">{", ".join(parts)}</p>' if parts else ""


def scenario_section(data, number):
    command = " ".join(str(word) for word in data.get("command", []))
    names = ("figure", "median", "least", "most", "unit", "runs", "beside", "must")
    return "".join((
        f'<h2 id="s{number}">{text(data["scenario"])}</h2>',
        f"<pre>{text(command)}</pre>" if command else "", status_line(data),
        "".join(f'<span class="flag">{text(flag)}</span>' for flag in data.get("flags", [])),
        table(names, list(result_rows(data)), ("median", "least", "most", "runs"))
        if data["results"] else "<p>No figure was measured.</p>",
        pictures_block(data, number), ledger_block(data.get("ledger")),
        asserts_block(data.get("asserts")), skipped_block(data.get("skipped"))))


def page(runs, expected, notes_text):
    links = "".join(f'<a href="#s{number}">{text(data["scenario"])}</a>'
                    for number, data in enumerate(runs))
    return "".join((
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>flxperf report</title>\n<style>\n", CSS.read_text(encoding="utf-8"),
        "</style>\n</head>\n<body>\n", header(runs), f"<nav>{links}</nav>",
        '<h2 id="must">What must hold</h2>', must_section(runs, expected),
        f'<h2 id="cycles">Where the cycles go</h2>{notes.to_html(notes_text)}' if notes_text else "",
        *(scenario_section(data, number) for number, data in enumerate(runs)),
        "\n</body>\n</html>\n"))


def read_notes(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: cannot be read: {error}; give a text in Markdown") from error


def program(arguments):
    parser = argparse.ArgumentParser(prog="report.py", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", metavar="FILE.json")
    parser.add_argument("-o", dest="out", required=True, metavar="report.html")
    parser.add_argument("--notes", metavar="FILE", help="where the cycles go, in Markdown")
    parser.add_argument("--expect", nargs="+", default=[], metavar="NAME",
                        help="what was to run: a scenario, or a part as it was given to flxperf")
    options = parser.parse_args(arguments)
    if not options.files and not options.expect:
        parser.error("give a file, or what was expected to be in one")
    made = page([results.load(path) for path in options.files], options.expect,
                read_notes(options.notes))
    try:
        pathlib.Path(options.out).write_text(made, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{options.out}: cannot be written: {error.strerror}; give another file") \
            from error
    return 0


if __name__ == "__main__":
    results.main(program, sys.argv[1:])
