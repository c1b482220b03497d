# SPDX-License-Identifier: BSD-3-Clause
"""Slices that move while clients count: every answer right, nothing lost, and what is said of it."""
import re
import signal
import tempfile
import threading

import harness
from harness import CLIENT_IPS, CPUS, FLX, Fabric, Network, ask, client, run


def flx(*arguments, status=0):
    done = run(FLX, *arguments, check=False)
    if done.returncode != status:
        raise harness.Failure(f"flx {' '.join(arguments)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def workers(count):
    return ["--workers", str(count)] + (["--oversubscribe"] if CPUS < count else [])


class Mover(threading.Thread):
    """Moves all slices of the group to one worker, then to the other, again and again."""

    def __init__(self):
        super().__init__()
        self.ended = threading.Event()
        self.moves = 0
        self.wrong = None

    def run(self):
        while not self.ended.is_set() and not self.wrong:
            said = run(FLX, "move", "network", str(self.moves % 2), check=False)
            if said.returncode != 0 or "512 slices run on worker" not in said.stdout:
                self.wrong = said.stdout
            self.moves += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class Sched(harness.TestCase):
    def test_counts_are_exact_while_all_slices_move(self):
        with Network() as network, Fabric("counter", *workers(2), network=network) as fabric:
            with Mover() as mover:
                status, numbers, text = client("--duration", 5, "--sockets", 16, "--from",
                                               ",".join(CLIENT_IPS), timeout=300)
            said = flx("sched")
            history = flx("sched", "history", "5")
            result = fabric.stop()
        print(f"{mover.moves} moves: {text.strip()}\n{said}{history}", flush=True)
        self.assertIsNone(mover.wrong)
        self.assertGreater(mover.moves, 3)
        self.assertEqual(status, 0, text + result.output)
        self.assertEqual(numbers["answers"], numbers["requests"])
        self.assertGreater(numbers["answers"], 1000)
        self.assert_clean(result)
        moved = int(re.search(r"scheduler auto: (\d+) slices", said)[1])
        self.assertGreaterEqual(moved, 256 + (mover.moves - 1) * 512)
        self.assertEqual(len(history.splitlines()), 5)
        self.assertRegex(history, r"network: \d+ slices?, (?:number|the first is) \d+, worker [01] -> [01], in \d+ us")

    def test_contexts_outlive_a_kill_between_two_steps_of_a_move(self):
        with tempfile.TemporaryDirectory(prefix="flx-sched-", dir="/dev/shm") as scratch:
            store = ["--store", scratch + "/counts"]
            with Network() as network:
                with Fabric("counter", *workers(2), *store, network=network) as fabric, \
                     Mover() as mover:
                    while mover.moves < 4 and not mover.wrong:
                        last = ask("x").split()
                    fabric.process.send_signal(signal.SIGKILL)
                    fabric.process.wait()
                    mover.ended.set()
                with Fabric("counter", *workers(2), *store, network=network) as fabric:
                    self.assertEqual(ask("y").split(), [str(int(last[0]) + 1), "y"])
                    result = fabric.stop()
        self.assert_clean(result)

    def test_scheduler_is_asked_and_told(self):
        with Network() as network, Fabric("counter", *workers(2), "--sched", "observe",
                                          network=network) as fabric:
            self.assertRegex(flx("sched"), r"scheduler observe: 0 slices")
            self.assertRegex(flx("sched", "plan"), r"nothing to do|waiting|evening|relieving")
            self.assertEqual(flx("sched", "auto"), "scheduler auto\n")
            self.assertEqual(flx("pin", "network:3-5"), "3 slices pinned, 0 were already\n")
            self.assertEqual(flx("move", "network:3-5", "1"), "3 slices run on worker 1 now\n")
            self.assertRegex(flx("sched"), r"(?m)^1 +active .* 3$")
            self.assertIn("no such group", flx("move", "nobody", "1", status=2))
            ask("hello")
            self.assertRegex(flx("rss"), r"port 0, .*: no indirection table\n  queue 0 ")
            result = fabric.stop()
        self.assert_clean(result)

    def test_flows_follow_their_slices_where_there_is_a_table(self):
        """net_null receives nothing, but keeps an indirection table, as NICs do."""
        def buckets():
            said = flx("rss")
            self.assertIn("indirection table of 128 buckets", said)
            return [int(count) for count in re.findall(r"(?m)(\d+) buckets$", said)]

        with Fabric("counter", "--set", "key=flow", *workers(2), "--ip", "198.18.0.1/24", "--dev",
                    "--port", "vdev:net_null0,no-rx=1") as fabric:
            fabric.wait_for(lambda: run(FLX, "rss", check=False).returncode == 0, "the socket")
            self.assertEqual(buckets(), [128, 64, 64])
            flx("move", "network", "1")
            fabric.wait_for(lambda: buckets()[1:] == [0, 128], "all buckets to lead to queue 1")
            flx("move", "network:0-63,128-191,256-319,384-447", "0")  # all slices of 64 buckets
            fabric.wait_for(lambda: buckets()[1:] == [64, 64], "half of them to lead back")
            self.assertRegex(flx("sched", "history", "50"),
                             r"port 0: \d+ buckets?, (?:number|the first is) \d+, queue 0 -> 1, in \d+ us")
            result = fabric.stop()
        self.assert_clean(result)

    def test_one_worker_is_enough_until_it_is_not(self):
        with Network() as network, Fabric("counter", "--workers", f"1-{max(CPUS, 2)}",
                                          *(["--oversubscribe"] if CPUS < 2 else []),
                                          network=network) as fabric:
            self.assertEqual(ask("hello"), "1 hello\n")
            said = flx("sched")
            self.assertRegex(said, r"(?m)^0 +active ")
            self.assertRegex(said, r"(?m)^1 +parked .* 0 +0$")
            flx("move", "network", "1")
            self.assertEqual(ask("hello"), "2 hello\n")
            result = fabric.stop()
        self.assert_clean(result)


if __name__ == "__main__":
    harness.main(network=True)
