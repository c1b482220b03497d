# SPDX-License-Identifier: BSD-3-Clause
"""What the command says and refuses, and what it must leave alone."""
import pathlib
import re

import harness
from harness import BUILD, FLX, run

# Each is refused with status 2 and the usage before anything starts; the message names the second.
BAD_ARGUMENTS = [
    ((), "command"),
    (("walk",), "walk"),
    (("run",), "app"),
    (("run", "nothing"), "nothing"),
    (("run", "./nothing.so"), "nothing.so"),
    (("run", "counter", "--no-such"), "--no-such"),
    (("run", "counter", "--workers"), "--workers"),
    (("run", "counter", "--workers", "0"), "--workers"),
    (("run", "counter", "--workers", "x"), "--workers"),
    (("run", "counter", "--port", "nothing:x", "--dev"), "nothing:x"),
    (("run", "counter", "--port", "null", "--ip", "198.18.0.1/33", "--dev"), "198.18.0.1/33"),
    (("run", "counter", "--ip", "198.18.0.1/24"), "--ip"),
    (("run", "counter", "--set", "key=nobody"), "key"),
    (("run", "counter", "--set", "nothing=1"), "nothing"),
    (("run", "counter", "--duration", "-1"), "--duration"),
    (("run", "counter", "--config", "/nothing"), "/nothing"),
    (("run", "counter", "echo"), "echo"),
]

# Where DPDK leaves files when it starts.
TOUCHED = ("/var/run/dpdk", "/tmp/dpdk", "/dev/hugepages", "/dev/shm", "/sys/class/net")


def traces():
    """Names in those places."""
    found = set()
    for folder in map(pathlib.Path, TOUCHED):
        found |= set(folder.iterdir()) if folder.is_dir() else set()
    return found


class Command(harness.TestCase):
    def test_bad_arguments_are_refused_with_the_usage_and_status_2(self):
        for arguments, name in BAD_ARGUMENTS:
            with self.subTest(arguments):
                before = traces()
                done = run(FLX, *arguments, check=False)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(name, done.stdout)
                self.assertNotIn("ledger", done.stdout)
                self.assertEqual(traces(), before)

    def test_usage_is_shown_for_what_cannot_be_read(self):
        for arguments in ((), ("walk",), ("run",), ("run", "counter", "--no-such")):
            with self.subTest(arguments):
                self.assertRegex(run(FLX, *arguments, check=False).stdout, r"(?m)^usage: flx")

    def test_version_and_help_exit_0(self):
        self.assertRegex(run(FLX, "--version").stdout, r"^flx \d+\.\d+\.\d+ \(DPDK \d+\.\d+")
        self.assertRegex(run(FLX, "--help").stdout, r"(?m)^usage: flx")
        self.assertIn("--workers", run(FLX, "run", "--help").stdout)

    def test_check_prints_the_plan_and_touches_nothing(self):
        before = traces()
        done = run(FLX, "check", "counter", "--port", "af_packet:no-such0", "--ip",
                   "198.18.0.1/24", "--workers", "1")
        self.assertRegex(done.stdout, r"network")
        self.assertRegex(done.stdout, r"(?i)worker 0\b.*\bcpu\b")
        self.assertEqual(traces(), before)
        self.assertNotIn("EAL: Detected", done.stdout)

    def test_a_shared_object_is_an_app(self):
        self.assertRegex(run(FLX, "check", BUILD / "apps/counter.so").stdout, r"network")

    def test_a_machine_that_refuses_is_status_1(self):
        done = run(FLX, "run", "counter", "--dev", "--port", "af_packet:no-such0", "--ip",
                   "198.18.0.1/24", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("no-such0", done.stdout)

    def test_a_ring_port_runs_for_anybody(self):
        with harness.Fabric("counter", "--dev", "--port", "ring", "--ip", "198.18.0.1/24",
                            "--duration", "2.5") as fabric:
            result = fabric.wait(30)
        self.assert_clean(result)
        self.assertEqual(len(re.findall(r"(?m)^ *\d+\.\d s  rx ", result.output)), 2,
                         "a status line per second")
        self.assertRegex(result.output, r"(?i)worker 0\b.*\bcpu\b")
        self.assertIn("--lcores", result.output)

    def test_output_that_nobody_reads_is_no_reason_to_die(self):
        done = run("bash", "-o", "pipefail", "-c", '"$0" run counter --dev --port null --ip '
                   "198.18.0.1/24 --duration 1.5 | head -1", FLX, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    harness.main()
