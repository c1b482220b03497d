# SPDX-License-Identifier: BSD-3-Clause
"""summary.py DIRECTORY... - counts what meson's tests did in these build directories.

Counts every test that each directory has, not only those that left a result: one that did not run has
failed, and a directory without tests is itself one failure. Prints the skips with their reasons, the
failures, and as its last line "N passed, N failed[, N skipped]". Exit status 0 when none failed.
"""
import json
import pathlib
import sys

PASSED = ("OK", "EXPECTEDFAIL")


def read_results(log):
    """The results of meson's log by test name; none when there is no log."""
    if not log.is_file():
        return {}
    lines = log.read_text(errors="replace").splitlines()
    results = [json.loads(line) for line in lines if line.strip()]
    # meson writes "project:suite / name" here and the bare name in its list.
    return {result["name"].split(" / ")[-1]: result for result in results}


def read_names(directory):
    """Names of the tests that the directory is configured for."""
    listed = directory / "meson-info/intro-tests.json"
    return [test["name"] for test in json.loads(listed.read_text())] if listed.is_file() else []


def reason(result):
    """Why a test was skipped: the last line that it printed."""
    lines = (result.get("stdout", "") + result.get("stderr", "")).strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def main(directories):
    passed, failed, skipped = 0, [], []
    for directory in map(pathlib.Path, directories):
        names = read_names(directory)
        results = read_results(directory / "meson-logs/testlog.json")
        if not names or not results:
            failed.append(f"{directory}: no test ran; the build failed, see above")
        for name in names if results else []:
            result = results.get(name, {"result": "did not run"})
            if result["result"] in PASSED:
                passed += 1
            elif result["result"] == "SKIP":
                skipped.append(f"{directory}: {name}: {reason(result)}")
            else:
                failed.append(f"{directory}: {name}: {result['result'].lower()}")
    print()
    for line in skipped:
        print("skipped", line)
    for line in failed:
        print("failed", line)
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
