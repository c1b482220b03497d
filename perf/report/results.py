# SPDX-License-Identifier: BSD-3-Clause
"""results - reads the files that flxperf --json writes, for those who show them.

A file that is not one is refused, in words that name the file, what is wrong and what to do. What is
optional in a file may be missing; what is there has the type that it must have.
"""
import json
import sys

VERSION = 1
NUMBER = (int, float)
# What a result, and what a whole file may have: type, and whether it must be there.
RESULT = {"name": (str, True), "unit": (str, True), "value": (NUMBER, True), "runs": (list, True),
          "least": (NUMBER, False), "most": (NUMBER, False), "floor": (dict, False),
          "ratio": (NUMBER, False), "must": (dict, False), "target": (dict, False),
          "what": (str, False)}
FILE = {"scenario": (str, True), "results": (list, True), "command": (list, False),
        "started": (str, False), "seconds": (NUMBER, False), "environment": (dict, False),
        "skipped": (list, False), "series": (list, False), "ledger": (dict, False),
        "flags": (list, False), "asserts": (list, False), "failed": (bool, False),
        "interrupted": (bool, False),
        "exit": (int, False)}
# What the rows of those lists have.
ROWS = {"skipped": {"name": (str, True), "reason": (str, True), "must": (dict, False),
                    "target": (dict, False), "what": (str, False)},
        "asserts": {"claim": (str, True), "result": (str, True), "says": (str, False)},
        "series": {"name": (str, True), "run": (int, True), "rows": (list, True)}}
FLOOR = {"name": (str, True), "value": (NUMBER, True)}
BOUND = {"claim": (str, True), "limit": (NUMBER, False), "holds": (bool, False),
         "known": (bool, False)}
# The exit status of a run in which the generator was the limit.
LIMITED = 3


class Refused(Exception):
    """A file that cannot be shown, or a picture that cannot be drawn."""


def is_number(value):
    """A finite one: JSON also reads 1e999, and integers of any size."""
    return isinstance(value, NUMBER) and not isinstance(value, bool) and abs(value) < 1e300


def fits(value, kind):
    if kind is NUMBER:
        return is_number(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def refuse_constant(word):
    raise ValueError(f"{word} is no number")


def check(thing, fields, where):
    if not isinstance(thing, dict):
        raise ValueError(f"{where} is not an object")
    for key, (kind, needed) in fields.items():
        value = thing.get(key)
        if value is None:
            if needed:
                raise ValueError(f"{where} has no \"{key}\"")
            thing.pop(key, None)  # null says as much as nothing
        elif not fits(value, kind):
            raise ValueError(f"\"{key}\" of {where} is of the wrong type")


def check_numbers(values, where):
    if not all(map(is_number, values)):
        raise ValueError(f"{where} are not all numbers")


def check_result(result, where):
    check(result, RESULT, where)
    check_numbers(result["runs"], f"the runs of {where}")
    for key, fields in (("floor", FLOOR), ("must", BOUND), ("target", BOUND)):
        if key in result:
            check(result[key], fields, f"the {key} of {where}")


def check_file(data):
    if not isinstance(data, dict) or "flxperf" not in data:
        raise ValueError('it has no "flxperf" with a version')
    if data["flxperf"] != VERSION:
        raise ValueError(f"it is of version {data['flxperf']}, and this reads {VERSION}")
    check(data, FILE, "the file")
    for number, result in enumerate(data["results"]):
        check_result(result, f"result {number}")
    for key, fields in ROWS.items():
        for number, row in enumerate(data.get(key, [])):
            check(row, fields, f"{key} {number}")
    for series in data.get("series", []):
        for row in series["rows"]:
            if not isinstance(row, list) or len(row) != 4:
                raise ValueError(f"series {series['name']} has a row that is not of four numbers")
            check_numbers(row, f"the rows of series {series['name']}")


def load(path):
    """What flxperf wrote to @path."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file, parse_constant=refuse_constant)
        check_file(data)
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}; "
                      "give a file that flxperf --json wrote") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path}: not a file of flxperf: {error}; "
                      "give one that flxperf --json wrote") from error
    return data


def part(data):
    """What was to be run, as it was said: "ctx.bind" of scenario ctx."""
    scenario = data["scenario"]
    return next((word for word in data.get("command", []) if isinstance(word, str) and
                 (word == scenario or word.startswith(f"{scenario}."))), scenario)


def extremes(figure):
    """Least and most of all runs."""
    runs = figure["runs"] or [figure["value"]]
    return figure.get("least", min(runs)), figure.get("most", max(runs))


def show(value):
    """A number as tables have it: three or four digits that matter, thousands apart."""
    size = abs(value)
    if size >= 1e15:
        return f"{value:.3g}"
    if size >= 1000 or isinstance(value, int):
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 100 else 2 if size >= 1 else 3}f}"


def main(program, arguments):
    """Runs @program with @arguments, and ends with its status; 1 when it refuses."""
    try:
        sys.exit(program(arguments))
    except Refused as refused:
        sys.exit(f"flxperf: error: {refused}")
