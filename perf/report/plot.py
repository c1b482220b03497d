#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""plot.py FILE.json OUT.svg - draws what a file of flxperf holds, by gnuplot.

Rates over time where there are series, latency by percentile of figures latency.LOAD.pNN, scaling of
scale.N, and bars of all that has a floor or peers beside it. With none of these, bars of all figures.
"""
import collections
import dataclasses
import math
import re
import subprocess
import sys

import results
from results import Refused, extremes, show

WIDTH = 720
# Of Okabe and Ito: apart for those who see fewer colours as well, on white and on black.
OURS, PEER, DROPS = "#0072b2", "#999999", "#d55e00"
COLOURS = ("#56b4e9", "#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7")
LATENCY = re.compile(r"latency\.(.+?)\.(?:p(\d{1,2}(?:\.\d+)?)|(max))")
SCALE = re.compile(r"scale\.(\d{1,4})(?:\.(\w+))?")


@dataclasses.dataclass
class Picture:
    title: str
    height: int
    script: list  # lines of gnuplot, behind those that all pictures have


def quote(text):
    """@text as gnuplot takes it for itself: between single quotes nothing else is special."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return "'" + (plain if len(plain) <= 60 else plain[:59] + "…").replace("'", "''") + "'"


def block(name, rows):
    """A table of numbers for gnuplot."""
    return [f"${name} << EOD", *(" ".join(f"{value:.9g}" for value in row) for row in rows), "EOD"]


# ------------------------------------------------------------------------------------------- over time


def rate_picture(name, all_series):
    script = ["set xlabel 's'", "set ylabel 'requests/s'", "set format y '%.1s%c'",
              "set yrange [0:*]", "set key below horizontal"]
    plots = []
    for series in all_series:
        block_name = f"run{len(plots)}"
        script += block(block_name, series["rows"])
        first = not plots
        for column, title, style in ((2, "offered", f"dt 2 lw 1.5 lc rgb '{PEER}'"),
                                     (3, "answered", f"lw 2 lc rgb '{OURS}'"),
                                     (4, "dropped", f"lw 2 lc rgb '{DROPS}'")):
            plots.append(f"${block_name} using 1:{column} with lines {style} "
                         + (f"title '{title}'" if first else "notitle"))
    runs = f", {len(all_series)} runs" if len(all_series) > 1 else ""
    return Picture(f"{name}: rate and drops over time{runs}", 300,
                   script + ["plot " + ", ".join(plots)])


def rate_pictures(data):
    by_name = collections.defaultdict(list)
    for series in data.get("series", []):
        if series["rows"]:
            by_name[series["name"]].append(series)
    return [rate_picture(name, all_series) for name, all_series in by_name.items()]


# ------------------------------------------------------------------------------- latency by percentile


def nines(percentile):
    """Where a percentile is on the axis: 90 at 1, 99 at 2, 99.9 at 3."""
    return -math.log10(1 - percentile / 100)


def latency_lines(figures):
    """By load: (percentile, None for the greatest; value), and the floors that stand beside them."""
    lines = collections.defaultdict(list)
    floors = {}
    for figure in figures:
        load, percentile, _ = LATENCY.fullmatch(figure["name"]).groups()
        at = float(percentile) if percentile else None
        lines[load].append((at, figure["value"]))
        if "floor" in figure:
            floors.setdefault(at, figure["floor"]["value"])
    if floors and "floor" not in lines:
        lines["floor"] = list(floors.items())
    return lines


def latency_picture(figures):
    lines = latency_lines(figures)
    percentiles = sorted({at for line in lines.values() for at, _ in line if at is not None})
    # The greatest of all has no percentile: half a nine behind the last.
    last = nines(percentiles[-1]) + 0.5 if percentiles else 1
    tics = [f"'{at:g}' {nines(at):.4f}" for at in percentiles]
    if any(at is None for line in lines.values() for at, _ in line):
        tics.append(f"'max' {last:.4f}")
    script = ["set logscale y", "set xlabel 'percentile'",
              f"set ylabel {quote(figures[0]['unit'])}", f"set xtics ({', '.join(tics)})",
              "set key below horizontal", "set grid xtics ytics"]
    plots = []
    for number, (load, line) in enumerate(lines.items()):
        points = sorted((nines(at) if at is not None else last, value)
                        for at, value in line if value > 0)
        if not points:
            continue
        style = f"dt 2 lc rgb '{PEER}'" if load == "floor" else \
            f"lc rgb '{COLOURS[number % len(COLOURS)]}'"
        script += block(f"line{number}", points)
        plots.append(f"$line{number} with linespoints lw 2 pt 7 ps 0.5 {style} "
                     f"title {quote(load + ' % of PDR' if load.isdigit() else load)}")
    if not plots:
        return []
    return [Picture("Latency by percentile, from the planned time of sending", 380,
                    script + ["plot " + ", ".join(plots)])]


# ---------------------------------------------------------------------------------------------- scaling


def scaling_picture(figures):
    """Multiples of one worker: of a fabric, and of what is named behind the number of workers."""
    lines = collections.defaultdict(list)
    for figure in figures:
        workers, of = SCALE.fullmatch(figure["name"]).groups()
        lines[of or "one fabric"].append((int(workers), figure["value"], *extremes(figure)))
    counts = sorted({1, *(point[0] for line in lines.values() for point in line)})
    most = counts[-1]
    script = ["set xlabel 'workers'", "set ylabel 'times one worker'",
              f"set xrange [0.5:{most + 0.5}]", "set yrange [0:*]",
              f"set xtics ({', '.join(map(str, counts))})", "set key top left Left reverse",
              *block("ideal", [(1, 1), (most, most)])]
    plots = [f"$ideal with lines lw 1.5 dt 2 lc rgb '{PEER}' title 'ideal'"]
    for number, (of, line) in enumerate(lines.items()):
        colour = (OURS, DROPS, *COLOURS[2:])[number % 6]
        script += block(f"line{number}", sorted([(1, 1, 1, 1), *line]))
        plots += [f"$line{number} with linespoints lw 2 pt 7 ps 0.5 lc rgb '{colour}' "
                  f"title {quote(of)}",
                  f"$line{number} using 1:3:(0):($4-$3) with vectors nohead lw 1.5 lc rgb '{colour}' "
                  "notitle"]
    return [Picture("Scaling against ideal", 360, script + ["plot " + ", ".join(plots)])]


# ------------------------------------------------------------------------------------------------- bars


@dataclasses.dataclass
class Bar:
    label: str
    value: float
    least: float
    most: float
    note: str = ""
    ours: bool = True


def bar_of(figure, ours=True):
    return Bar(figure["name"], figure["value"], *extremes(figure),
               f"{show(figure['ratio'])} x" if "ratio" in figure else "", ours)


def is_ratio(unit):
    """Such as x, and x of one: what is as fast as the other has 1."""
    return unit.split()[:1] == ["x"]


def suffix(name):
    return name.partition(".")[2]


def clusters_of(figures):
    """Each figure that has any, with its floor, and with who else has the rest of its name."""
    by_name = {figure["name"]: figure for figure in figures}
    floors = {figure["floor"]["name"] for figure in figures if "floor" in figure}
    clusters, used = [], set()
    for figure in figures:
        name, floor = figure["name"], figure.get("floor")
        peers = [other for other in figures if other is not figure and "floor" not in other
                 and suffix(name) and suffix(other["name"]) == suffix(name)
                 and other["unit"] == figure["unit"]]
        alone = floor is None and not peers
        if not floor and (name in floors or name in used or alone and not is_ratio(figure["unit"])):
            continue
        cluster = [bar_of(figure)]
        if floor and floor["name"] in by_name:
            peers = [by_name[floor["name"]]] + [peer for peer in peers
                                                if peer["name"] != floor["name"]]
        elif floor:
            cluster.append(Bar(floor["name"], *[floor["value"]] * 3, ours=False))
        cluster += [bar_of(peer, False) for peer in peers]
        used.update(peer["name"] for peer in peers)
        clusters.append((figure["unit"], cluster))
    return clusters


def bars_picture(title, unit, clusters):
    script, tics, ours, peers, at = [], [], [], [], 0.0
    greatest = max((bar.most for cluster in clusters for bar in cluster), default=0)
    least = min((bar.least for cluster in clusters for bar in cluster), default=0)
    for cluster in clusters:
        for bar in cluster:
            at -= 1
            tics.append(f"{quote(bar.label)} {at:g}")
            (ours if bar.ours else peers).append((at, bar.value, bar.least, bar.most))
            text = show(bar.value) + (f"  ({bar.note})" if bar.note else "")
            script.append(f"set label {quote(text)} at {max(bar.most, 0):.9g},{at:g} left offset 0.7,0")
        at -= 0.6
    # Room for the labels behind the bars.
    span = (greatest - min(least, 0)) or 1
    script += [f"set xrange [{min(least, 0) * 1.1:.9g}:{greatest + 0.35 * span:.9g}]",
               f"set yrange [{at - 0.1:g}:-0.2]", "unset key", "set border 1",
               f"set ytics scale 0 ({', '.join(tics)})", f"set xlabel {quote(unit)}",
               "set format x '%.1s%c'" if greatest >= 1e4 else "set format x '%g'",
               "set grid xtics noytics"]
    plots = []
    for name, rows, colour in (("ours", ours, OURS), ("peers", peers, PEER)):
        if rows:
            script += block(name, rows)
            plots += [f"${name} using (0):1:(0):2:($1-0.38):($1+0.38) with boxxyerror "
                      f"fs solid noborder lc rgb '{colour}'",
                      f"${name} using 3:1:($4-$3):(0) with vectors nohead lw 1.5 lc black"]
    if is_ratio(unit):
        script.append(f"set arrow from 1,graph 0 to 1,graph 1 nohead front dt 2 lc rgb '{DROPS}'")
    return Picture(f"{title}, {unit}", 120 + int(-at * 25), script + ["plot " + ", ".join(plots)])


def bars_pictures(title, clusters):
    """One per unit: what is not of one unit has no axis in common."""
    by_unit = collections.defaultdict(list)
    for unit, cluster in clusters:
        by_unit[unit].append(cluster)
    return [bars_picture(title, unit, group) for unit, group in by_unit.items()]


# ------------------------------------------------------------------------------------------ all of them


def pictures(data):
    """All that there is to draw of a file."""
    figures = data["results"]
    latency = [figure for figure in figures if LATENCY.fullmatch(figure["name"])]
    scaling = [figure for figure in figures if SCALE.fullmatch(figure["name"])]
    others = [figure for figure in figures if figure not in latency and figure not in scaling]
    found = latency_picture(latency) if latency else []
    found += scaling_picture(scaling) if scaling else []
    found += bars_pictures("Beside floors and peers of the same run", clusters_of(others))
    found += rate_pictures(data)
    if not found and figures:
        found = bars_pictures("All figures",
                              [(figure["unit"], [bar_of(figure)]) for figure in figures])
    return found


def draw(found):
    """An SVG of pictures, one below the other."""
    height = sum(picture.height for picture in found)
    script = [f"set terminal svg size {WIDTH},{height} dynamic font 'sans-serif,13' noenhanced",
              "set encoding utf8", "set multiplot"]
    below = height
    for picture in found:
        below -= picture.height
        script += ["reset", "set border 3", "set tics nomirror", "set grid ytics",
                   f"set size 1,{picture.height / height:.6f}",
                   f"set origin 0,{below / height:.6f}", f"set title {quote(picture.title)}",
                   *picture.script]
    try:
        done = subprocess.run(["gnuplot", "-d"], input="\n".join(script) + "\n", text=True,
                              encoding="utf-8", capture_output=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise Refused("no gnuplot to draw pictures with: apt-get install gnuplot-nox") from error
    if done.returncode or "</svg>" not in done.stdout:
        raise Refused(f"gnuplot failed: {done.stderr.strip() or 'it drew nothing'}")
    title = re.sub("[<>&]", " ", found[0].title)
    return done.stdout.replace("<title>Gnuplot</title>", f"<title>{title}</title>")


def on_white(svg):
    """For a file of its own, that any program may show before any colour."""
    return re.sub(r'(<rect x="0" y="0"[^>]*) fill="none"', r'\1 fill="#ffffff"', svg, count=1)


def inside_page(svg, prefix):
    """For a page, whose colour of text it takes; @prefix: of names, which must be unique there."""
    svg = svg[svg.index("<svg"):]
    svg = svg.replace('color="black"', "")
    svg = re.sub(r"\b(fill|stroke|color)=(['\"])(?:black|rgb\( *0, *0, *0\))\2",
                 r'\1="currentColor"', svg)
    svg = re.sub(r"\b(id=['\"]|href='#|url\(#)", lambda found: found[1] + prefix, svg)
    return svg.replace("<svg", '<svg role="img"', 1)


def program(arguments):
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    path, out = arguments
    found = pictures(results.load(path))
    if not found:
        raise Refused(f"{path}: no results, so there is nothing to draw; "
                      "let flxperf run to its first figure")
    svg = on_white(draw(found))
    try:
        with open(out, "w", encoding="utf-8") as file:
            file.write(svg)
    except OSError as error:
        raise Refused(f"{out}: cannot be written: {error.strerror}; give another file") from error
    return 0


if __name__ == "__main__":
    results.main(program, sys.argv[1:])
