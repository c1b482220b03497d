# SPDX-License-Identifier: BSD-3-Clause
"""notes - the part of Markdown in which notes on figures are written, as HTML.

Headings, paragraphs, lists with "- ", tables with "|", fenced blocks, `code` and **strong**. Everything
else is text, and nothing in it is HTML.
"""
import html
import re

HEADING = re.compile(r"(#{1,4}) +(.+)")
DIVIDER = re.compile(r"\|[\s:|-]+\|?")


def inline(text):
    text = html.escape(text, quote=False)
    parts = re.split(r"(`[^`]+`)", text)
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = f"<code>{part[1:-1]}</code>"
        else:
            parts[number] = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part)
    return "".join(parts)


def table(lines):
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in lines if not DIVIDER.fullmatch(line.strip())]
    head = len(lines) > 1 and DIVIDER.fullmatch(lines[1].strip())
    out = []
    for number, row in enumerate(rows):
        tag = "th" if head and number == 0 else "td"
        out.append("<tr>" + "".join(f"<{tag}>{inline(cell)}</{tag}>" for cell in row) + "</tr>")
    return '<div class="wide"><table>' + "".join(out) + "</table></div>"


def kind_of(line):
    if not line.strip():
        return "blank"
    if HEADING.fullmatch(line):
        return "heading"
    if line.startswith("- "):
        return "list"
    return "table" if line.startswith("|") else "text"


def block(kind, lines):
    if kind == "heading":
        # Below the headings of the page.
        return "".join(f"<h{min(len(level) + 2, 6)}>{inline(text)}</h{min(len(level) + 2, 6)}>"
                       for level, text in (HEADING.fullmatch(line).groups() for line in lines))
    if kind == "list":
        items = re.split(r"(?m)^- ", "\n".join(lines))[1:]
        return "<ul>" + "".join(f"<li>{inline(item)}</li>" for item in items) + "</ul>"
    if kind == "table":
        return table(lines)
    return "" if kind == "blank" else f"<p>{inline(chr(10).join(lines))}</p>"


def blocks(text):
    """(kind, lines) in order; what is fenced has no other kind."""
    kind, lines = "blank", []
    for line in text.splitlines():
        if line.startswith("```"):
            yield kind, lines
            kind, lines = ("fenced", []) if kind != "fenced" else ("blank", [])
        elif kind == "fenced" or kind_of(line) == kind or \
                kind == "list" and line.startswith("  "):
            lines.append(line)
        else:
            yield kind, lines
            kind, lines = kind_of(line), [line]
    yield kind, lines


def to_html(text):
    out = []
    for kind, lines in blocks(text):
        if kind == "fenced":
            out.append(f"<pre>{html.escape(chr(10).join(lines), quote=False)}</pre>")
        elif lines:
            out.append(block(kind, lines))
    return "\n".join(out)
