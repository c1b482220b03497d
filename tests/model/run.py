# SPDX-License-Identifier: BSD-3-Clause
"""run.py [NAME ...] - checks the models of move.pml, and that each of its mutants is caught.

NAME is a model or a mutant of those below; without one, all of them. --trail NAME prints a shortest
way to its error instead, step by step.

A search visits every state that can be reached, and stores it whole: no partial order reduction
(there is nothing here that it could reduce), no bitstate or hash-compact search, and no bound that
ends it silently. A clean model must end without an error. A mutant runs on a model that is also run
clean, and must end with the error that stands beside it: any other, of the compiler for instance,
is a failure. Prints a line for each, and the number of failures last. Takes under three minutes of
one core, and 1.5 GiB.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# One model may take so long where others keep the CPUs busy.
LIMIT_S = 900
MEMORY_MB = 4000

DEFAULTS = {"FROM_A": 1, "FROM_B": 1, "FROM_C": 1, "TO_T": 1, "RING": 1, "HOME": "C", "MOVES": 2,
            "LOOP": 0, "LOCAL": 0, "UNDO": 0, "SLEEP": 0, "MUTANT": 0}

# What a model has other than the defaults. Small ones are for mutants that are rare in large ones.
MODELS = {
    # There and back, Q elsewhere or where S comes to.
    "back": {"FROM_C": 2},
    "meet": {"FROM_C": 2, "HOME": "B"},
    "short": {"FROM_B": 0, "FROM_C": 2, "MOVES": 1},
    # Messages of S to itself, and through LOCAL fluxions.
    "loop": {"FROM_C": 2, "TO_T": 0, "LOOP": 1},
    "local": {"FROM_C": 2, "TO_T": 0, "LOCAL": 2},
    # Undone, and moved again.
    "undo": {"FROM_C": 2, "TO_T": 0, "UNDO": 1},
    "undo-short": {"FROM_A": 0, "FROM_B": 0, "FROM_C": 2, "TO_T": 0, "UNDO": 1},
    "undo-loop": {"FROM_B": 0, "FROM_C": 2, "TO_T": 0, "HOME": "B", "LOOP": 1, "UNDO": 1},
    "undo-local": {"FROM_B": 0, "FROM_C": 2, "TO_T": 0, "HOME": "B", "LOCAL": 2, "UNDO": 1},
    # Workers that sleep.
    "sleep": {"TO_T": 0, "MOVES": 1, "SLEEP": 1},
    "sleep-undo": {"FROM_B": 0, "TO_T": 0, "MOVES": 1, "UNDO": 1, "SLEEP": 1},
    # S and Q move at the same time: Q to where S leaves, and each to where the other was.
    "two": {"TO_T": 0, "MOVES": 1, "Q_TO": "A"},
    "two-undo": {"FROM_B": 0, "TO_T": 0, "MOVES": 1, "HOME": "B", "Q_TO": "A", "UNDO": 1},
    "two-back": {"FROM_A": 0, "FROM_B": 0, "FROM_C": 2, "TO_T": 0, "HOME": "B", "Q_TO": "A"},
    # These look for cycles instead.
    "progress": {},
    "progress-sleep": {"FROM_A": 0, "FROM_B": 0, "TO_T": 0, "UNDO": 1, "SLEEP": 1},
    "progress-two": {"FROM_A": 0, "FROM_B": 0, "TO_T": 0, "MOVES": 1, "Q_TO": "A", "LOOP": 1,
                     "LOCAL": 1, "UNDO": 1},
}

# Mutant, the model that it runs on, and how it is caught. What each breaks is in move.pml.
MUTANTS = [
    ("NO_GRACE_1", "short", "overtaken"),
    ("NO_GRACE_1", "progress", "cycle"), # B forwards to itself
    ("NO_GRACE_2", "short", "overtaken"),
    ("NO_STEP_3", "short", "overtaken"),
    ("NO_LANES_IN", "short", "overtaken"),
    ("NO_VECTORS", "short", "overtaken"),
    ("NO_LOCALS", "local", "overtaken"),
    ("LOCALS_ONCE", "local", "overtaken"),
    ("NO_STEP_4", "short", "overtaken"),
    ("NO_LANE_TO_B", "meet", "overtaken"),
    ("STAGING_UNCOUNTED", "short", "overtaken"),
    ("COUNT_HANDLED", "short", "overtaken"),
    ("LIVE_UNDRAINED", "short", "overtaken"),
    ("NEWER_FIRST", "short", "overtaken"),
    ("PARKING_DROPS", "short", "lost"),
    ("SEND_BY_FLAG", "short", "overtaken"),
    ("DISPATCH_BY_ROUTE", "short", "two_owners"),
    ("ROUTE_FORGOTTEN", "two", "overtaken"),
    ("UNDO_EARLY", "undo-short", "overtaken"),
    ("BACK_NO_GRACE", "undo-short", "overtaken"),
    ("BACK_NO_LANES", "undo-short", "overtaken"),
    ("BACK_NO_VECTORS", "undo-short", "overtaken"),
    ("BACK_OWN_FIRST", "undo-short", "overtaken"),
    ("BACK_STATE_FIRST", "undo-short", "overtaken"),
    ("HANDED_NO_WAKE", "sleep-undo", "stuck"),
    ("BACK_NO_WAKE", "sleep-undo", "stuck"),
    ("SLEEP_MOVING", "sleep-undo", "stuck"),
    ("SLEEP_BLIND", "sleep-undo", "lost"),
    ("WAKE_STALE", "sleep", "overtaken"),
    ("AWAY_IGNORED", "sleep-undo", "stuck"),
]


class Failure(Exception):
    """What kept a model from being checked to its end."""


def run(command, directory):
    """The output of a command that must succeed."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True,
                              errors="replace", timeout=LIMIT_S, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is not installed; tests/packages.sh lists what is needed") \
            from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{command[0]} has not ended after {LIMIT_S} s") from error
    output = done.stdout + done.stderr
    if done.returncode:
        raise Failure(f"{command[0]} failed:\n{output[-2000:]}")
    return output


def defines(model, mutant):
    values = DEFAULTS | MODELS[model] | {"MUTANT": mutant}
    return [f"-D{name}={value}" for name, value in values.items()]


def build(directory, model, mutant, how, more=()):
    """Makes the verifier of a model in directory/pan."""
    # A mutant's search is short: compiling it well would take longer.
    optimise = "-O0" if mutant else "-O1"
    for source in HERE.glob("*.pml"):
        (directory / source.name).write_text(source.read_text())
    run(["spin", *defines(model, mutant), *more, "-a", "move.pml"], directory)
    run(["gcc", optimise, "-w", *how, "-DNOFAIR", "-DNOREDUCE", "-DVECTORSZ=1024",
         f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"], directory)


def search(directory, model):
    """Runs the verifier: how many states, and the first error's name; None if there is none."""
    options = ["-l"] if model.startswith("progress") else []
    output = run(["./pan", *options, "-m10000", "-w22", "-n"], directory)
    states = re.search(r"(\d+) states, stored", output)
    errors = re.search(r"errors: (\d+)", output)
    if not states or not errors or "depth too small" in output:
        raise Failure(f"the search says:\n{output[-2000:]}")
    if errors[1] == "0":
        if "Search not completed" in output:
            raise Failure(f"the search says:\n{output[-2000:]}")
        return int(states[1]), None
    error = re.search(r"pan:1: (.*?)(?: \(at depth|$)", output, re.MULTILINE)
    named = re.fullmatch(r"assertion violated +!\((\w+)\)", error[1])
    if named:
        return int(states[1]), named[1]
    return int(states[1]), "cycle" if error[1] == "non-progress cycle" else error[1]


def check(model, mutant=None):
    with tempfile.TemporaryDirectory(prefix="flx-model-") as name:
        directory = pathlib.Path(name)
        how = ["-DNP"] if model.startswith("progress") else ["-DSAFETY"]
        build(directory, model, mutant or 0, how)
        return search(directory, model)


def check_clean(model):
    """None, or what is wrong."""
    states, error = check(model)
    if error:
        return f"clean {model}: {error}, after {states} states"
    print(f"clean {model}: {states} states, no error", flush=True)
    return None


def check_mutant(mutant, model, expected):
    states, error = check(model, mutant)
    if error != expected:
        return f"mutant {mutant} ({model}): {error or 'NOT caught'}, must be caught as {expected}"
    print(f"mutant {mutant} ({model}): caught ({expected}), {states} states", flush=True)
    return None


def check_all(models, mutants):
    failures = 0
    for function, row in [(check_clean, (model,)) for model in models] + \
            [(check_mutant, mutant) for mutant in mutants]:
        try:
            wrong = function(*row)
        except Failure as failure:
            wrong = f"{' '.join(row)}: {failure}"
        if wrong:
            print(wrong, flush=True)
            failures += 1
    print(f"{len(models)} models, {len(mutants)} mutants, {failures} failures")
    return 1 if failures else 0


def print_trail(model, mutant):
    """Breadth first: the first error found is a nearest one. It finds no cycles."""
    with tempfile.TemporaryDirectory(prefix="flx-model-") as name:
        directory = pathlib.Path(name)
        build(directory, model, mutant, ["-DSAFETY", "-DBFS"], ["-DSHORTEST"])
        if not search(directory, model)[1]:
            print("no error")
            return
        print(run(["spin", *defines(model, mutant), "-DSHORTEST", "-t", "-p", "-g", "move.pml"],
                  directory))


def missing_mutants():
    """Mutants that move.pml has and the table has not, or the other way round."""
    text = (HERE / "move.pml").read_text()
    return set(re.findall(r"^#define (\w+) \d+[ \t]+/\*", text, re.MULTILINE)) ^ \
        {mutant for mutant, _, _ in MUTANTS}


def main(arguments):
    missing = missing_mutants()
    if missing:
        print("not both in move.pml and in run.py:", *sorted(missing))
        return 1
    trail = arguments[:1] == ["--trail"]
    names = arguments[1:] if trail else arguments
    models = [name for name in names if name in MODELS] if names else list(MODELS)
    mutants = [row for row in MUTANTS if not names or row[0] in names]
    unknown = set(names) - set(models) - {row[0] for row in mutants}
    if unknown or (trail and len(names) != 1):
        print("unknown:" if unknown else "--trail takes one name", *sorted(unknown))
        print("there are", *MODELS, *dict.fromkeys(row[0] for row in MUTANTS))
        return 2
    if not trail:
        return check_all(models, mutants)
    print_trail(*([(model, 0) for model in models] + [row[1::-1] for row in mutants])[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
