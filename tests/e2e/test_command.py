# SPDX-License-Identifier: BSD-3-Clause
"""What the command says and refuses, and what it must leave alone."""
import os
import re
import signal
import subprocess
import time

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
    (("run", "counter", "--contexts", "network=0"), "network=0"),
    (("run", "counter", "--dev", "--contexts", "nothing=5"), "nothing"),
    (("check", "counter", "--dev", "--contexts", "handler=5"), "handler"),
    (("run", "counter", "--snapshot-every", "5"), "--snapshot"),
    (("run", "counter", "echo"), "echo"),
    (("run", "counter", "--dev", "--port", "ring", "--workers", "64"), "64 workers"),
    (("run", "counter", "--dev", "--port", "ring", "--credits", "100"), "--credits"),
    (("run", "counter", "--dev", "--port", "ring", "--port", "vdev:net_ring0"), "same device"),
    (("run", "counter", "--dev", "--port", "ring", "--port", "null", "--ip", "198.18.0.1/16",
      "--ip", "198.18.1.1/24"), "overlap"),
    (("run", "counter", "--dev", "--port", "ring", "--ip", "198.18.0.1/24", "--gateway",
      "198.18.0.1"), "--gateway"),
    (("run", "counter", "--dev", "--port", "ring", "--", "--proc-type=secondary"), "--proc-type"),
]

# Where DPDK leaves files when it starts, which flx names flx<pid>; and where flx listens.
TRACES = ("/var/run/dpdk", "/tmp/dpdk", "/dev/hugepages", "/dev/shm", "/run/flx",
          f"{os.environ.get('XDG_RUNTIME_DIR')}/flx", f"/tmp/flx-{os.geteuid()}")


def traces():
    """What any process of DPDK has left or holds: files that one killed long ago left among them."""
    return {os.path.join(folder, name) for folder in TRACES if os.access(folder, os.R_OK)
            for name in os.listdir(folder)}


def run_and_trace(*arguments, **options):
    """Status and output of flx, and what it left of itself."""
    before = traces()
    process = subprocess.Popen([FLX, *arguments], stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    output, _ = process.communicate(timeout=30)
    names = (f"flx{process.pid}", f"-{process.pid}.sock")
    left = [path for path in traces() - before if any(name in path for name in names)]
    return process.returncode, output, left


class Command(harness.TestCase):
    def test_bad_arguments_are_refused_with_the_usage_and_status_2(self):
        for arguments, name in BAD_ARGUMENTS:
            with self.subTest(arguments):
                status, output, left = run_and_trace(*arguments)
                self.assertEqual(status, 2, output)
                self.assertIn(name, output)
                self.assertNotIn("ledger", output)
                self.assertEqual(left, [])

    def test_as_many_workers_as_there_may_be_share_the_cpus(self):
        status, output, left = run_and_trace("run", "counter", "--dev", "--workers", "64",
                                             "--oversubscribe", "--duration", "1")
        self.assertEqual(status, 0, output)
        self.assertIn("unexplained 0", output)
        self.assertEqual(left, [])

    def test_usage_is_shown_for_what_cannot_be_read(self):
        for arguments in ((), ("walk",), ("run",), ("run", "counter", "--no-such")):
            with self.subTest(arguments):
                self.assertRegex(run(FLX, *arguments, check=False).stdout, r"(?m)^usage: flx")

    def test_version_and_help_exit_0(self):
        self.assertRegex(run(FLX, "--version").stdout, r"^flx \d+\.\d+\.\d+ \(DPDK \d+\.\d+")
        self.assertRegex(run(FLX, "--help").stdout, r"(?m)^usage: flx")
        self.assertEqual(run(FLX, "-h").stdout, run(FLX, "help").stdout)
        self.assertIn("--workers", run(FLX, "run", "--help").stdout)

    def test_check_prints_the_plan_and_touches_nothing(self):
        status, output, left = run_and_trace("check", "counter", "--dev", "--workers", "1",
                                             "--port", "tap:flxcheck0", "--ip", "198.18.0.1/24")
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"group network: .*main reply")
        self.assertRegex(output, r"worker 0: CPU \d+")
        self.assertIn("--vdev=net_tap0,iface=flxcheck0", output)
        self.assertEqual(left, [])
        self.assertNotIn("flxcheck0", os.listdir("/sys/class/net"))

    def test_a_shared_object_is_an_app(self):
        self.assertRegex(run(FLX, "check", BUILD / "apps/counter.so").stdout, r"network")

    def test_a_machine_that_refuses_is_status_1(self):
        done = run(FLX, "run", "counter", "--dev", "--port", "af_packet:no-such0", "--ip",
                   "198.18.0.1/24", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("no-such0", done.stdout)

    def test_a_start_that_fails_leaves_nothing(self):
        status, output, left = run_and_trace("run", "counter", "--dev", "--port", "vdev:foo")
        self.assertEqual(status, 1, output)
        self.assertEqual(left, [])

    def test_a_ring_port_runs_for_anybody(self):
        with harness.Fabric("counter", "--dev", "--port", "ring", "--ip", "198.18.0.1/24",
                            "--duration", "2.5") as fabric:
            result = fabric.wait(30)
        self.assert_clean(result)
        self.assertEqual(len(re.findall(r"(?m)^ *\d+\.\d s  rx ", result.output)), 2,
                         "a status line per second")
        self.assertRegex(result.output, r"worker 0: CPU \d+")
        self.assertIn("--lcores", result.output)

    def test_a_signal_before_the_start_is_done_ends_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            def send_early():
                signal.pthread_sigmask(signal.SIG_BLOCK, [number])
                os.kill(os.getpid(), number)  # and exec keeps it pending

            with self.subTest(number):
                status, output, left = run_and_trace("run", "counter", "--dev", "--port", "ring",
                                                     preexec_fn=send_early)
                self.assertEqual(status, 0, output)
                self.assertIn("told to stop before the start was done", output)
                self.assertNotIn("ledger", output)
                self.assertEqual(left, [])

    def test_a_signal_at_any_time_of_the_start_ends_it(self):
        for delay_ms in range(0, 300, 30):
            with self.subTest(delay_ms), \
                 harness.Fabric("counter", "--dev", "--port", "ring") as fabric:
                fabric.wait_for(lambda: "EAL:" in fabric.output(), "the plan")
                time.sleep(delay_ms / 1000)
                result = fabric.stop()
                self.assertEqual(result.status, 0, result.output)
                self.assertNotRegex(result.output, r"(?i)\berror:|warning:|sanitizer")
                self.assertNotEqual("told to stop" in result.output,
                                    "unexplained 0" in result.output)

    def test_a_run_without_a_port_says_that_nothing_can_arrive(self):
        done = run(FLX, "run", "counter", "--dev", "--duration", "0.1")
        self.assertRegex(done.stdout + (done.stderr or ""), r"warning: no --port given")

    def test_output_that_nobody_reads_is_no_reason_to_die(self):
        done = run("bash", "-o", "pipefail", "-c", '"$0" run counter --dev --port null --ip '
                   "198.18.0.1/24 --duration 1.5 | head -1", FLX, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    harness.main()
