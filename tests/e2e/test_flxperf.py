# SPDX-License-Identifier: BSD-3-Clause
"""What flxperf says, writes and refuses. How fast anything is is nobody's business here."""
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

import harness
from harness import BUILD, run

FLXPERF = BUILD / "perf/flxperf"

# Each is refused with status 2 before anything starts; the message names the second.
BAD_ARGUMENTS = [
    ((), "which scenario"),
    (("walk",), "walk"),
    (("hop", "--no-such"), "--no-such"),
    (("hop", "--repeat", "0"), "--repeat 0"),
    (("hop", "--rate", "5"), "--rate"),
    (("hop", "--assert", "hop <="), "--assert"),
    (("compare", "one.json"), "two files"),
    (("hop", "--json", "/nowhere/found.json"), "/nowhere/found.json"),
]


def flxperf(*arguments, check=False, timeout=120):
    return run(FLXPERF, *arguments, check=check, timeout=timeout)


def traces():
    return {name for folder in ("/var/run/dpdk", "/dev/hugepages", "/dev/shm", "/tmp/dpdk")
            if os.access(folder, os.R_OK) for name in os.listdir(folder)}


class Flxperf(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.json = pathlib.Path(self.folder.name, "found.json")

    def measure(self, *arguments):
        """A short run without hugepages: what it printed, its status, and its JSON."""
        done = flxperf(*arguments, "--dev", "--json", self.json)
        return done, json.loads(self.json.read_text())

    def test_bad_arguments_are_refused_by_name(self):
        for arguments, named in BAD_ARGUMENTS:
            with self.subTest(arguments=arguments):
                done = flxperf(*arguments)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(named, done.stdout)

    def test_files_that_cannot_be_compared_are_a_failure(self):
        done = flxperf("compare", self.json, self.json)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("found.json: cannot be read", done.stdout)

    def test_part_that_is_not_there_is_a_failure(self):
        done = flxperf("hop.nowhere", "--dev")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("'hop.nowhere'", done.stdout)

    def test_help_lists_every_scenario(self):
        done = flxperf("--help", check=True)
        for name in ("hop", "echo", "counter", "ctx", "move", "scale", "search", "latency", "gen",
                     "peers", "node", "compare"):
            self.assertRegex(done.stdout, rf"\b{name}\b")

    def test_run_prints_and_writes_what_it_found(self):
        table = pathlib.Path(self.folder.name, "found.csv")
        done, found = self.measure("hop", "--repeat", "2", "--duration", "0.05", "--csv", table,
                                   "--assert", "hop.same_core > 0")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual((found["flxperf"], found["scenario"], found["exit"]), (1, "hop", 0))
        self.assertEqual(found["ledger"]["unexplained"], 0)
        self.assertGreater(found["ledger"]["received"], 0)
        self.assertIn("DEV MODE", found["flags"])
        results = {result["name"]: result for result in found["results"]}
        for name in ("ring.spsc", "hop.same_core", "hop.cross_core"):
            self.assertEqual(len(results[name]["runs"]), 2, name)
            self.assertGreater(results[name]["value"], 0)
            self.assertRegex(done.stdout, rf"(?m)^{re.escape(name)} ")
        hop = results["hop.cross_core"]
        self.assertEqual(hop["floor"]["name"], "ring.spsc")
        self.assertAlmostEqual(hop["ratio"], hop["value"] / results["ring.spsc"]["value"], places=6)
        self.assertEqual([(one["claim"], one["result"]) for one in found["asserts"]],
                         [("hop.same_core > 0", "holds")])
        with open(table, encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([float(row["value"]) for row in rows if row["name"] == "hop.same_core"],
                         results["hop.same_core"]["runs"])
        for head in ("machine", "RESULT", "LEDGER", "unexplained 0", "VERDICT", "DEV MODE"):
            self.assertRegex(done.stdout, rf"(?m)^{head}")

    def test_assert_that_does_not_hold_is_status_1(self):
        for claim, word in (("hop.same_core < 0", "fails"), ("nothing.here < 1", "unknown")):
            done, found = self.measure("hop.same_core", "--repeat", "1", "--duration", "0.05",
                                       "--assert", claim)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertEqual(found["asserts"][0]["result"], word)

    def test_interrupted_run_prints_its_summary_and_leaves_nothing(self):
        before = traces()
        process = subprocess.Popen(
            [FLXPERF, "hop", "--dev", "--duration", "0.05", "--repeat", "64", "--json", self.json],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("  hop.same_core "):
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, "".join(seen) + rest)
        self.assertRegex(rest, r"(?m)^hop\.same_core ")
        self.assertRegex(rest, r"(?m)^INTERRUPTED")
        found = json.loads(self.json.read_text())
        self.assertTrue(found["interrupted"])
        self.assertGreaterEqual(len(found["results"]), 2)
        time.sleep(0.2)
        self.assertEqual(traces() - before, set())

    def test_interrupted_store_leaves_no_file(self):
        before = traces()
        process = subprocess.Popen([FLXPERF, "ctx.bind", "--dev", "--keys", "65536", "--repeat", "64"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("  ctx.bind.65536.store "):
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        time.sleep(0.2)
        self.assertEqual(traces() - before, set())

    def test_scenarios_of_the_generator_account_for_every_message(self):
        for arguments in (("echo",), ("counter.pair", "--keys", "64"), ("gen", "--rate", "20k"),
                          ("latency", "--rate", "20k"), ("search", "--rate", "20k")):
            with self.subTest(arguments=arguments):
                done, found = self.measure(*arguments, "--repeat", "1", "--duration", "0.2")
                # 3: on a busy machine the generator itself may have been away.
                self.assertIn(done.returncode, (0, 3), done.stdout)
                self.assertEqual(found["ledger"]["unexplained"], 0)
                self.assertGreater(len(found["results"]), 0)
                self.assertIn("SHORT", found["flags"])

    def test_compare_tells_a_run_from_itself(self):
        self.measure("hop.same_core", "--repeat", "5", "--duration", "0.05")
        done = flxperf("compare", self.json, self.json)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("hop.same_core", done.stdout)
        done = flxperf("compare", self.json, __file__)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("test_flxperf.py", done.stdout)


harness.main(Flxperf)
