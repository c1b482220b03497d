# SPDX-License-Identifier: BSD-3-Clause
"""flx ctx on stores that run and that were killed, dumps, snapshots: the counts go on."""
import os
import re
import signal
import tempfile
import time

import harness
from harness import CLIENT_IPS, CPUS, FLX, Fabric, Network, ask, client, run

REQUESTS = 4000
TWO_WORKERS = ["--workers", "2"] + (["--oversubscribe"] if CPUS < 2 else [])

# Each is refused with status 2 and one line that has the second.
BAD_ARGUMENTS = [
    ((), "action"),
    (("walk",), "walk"),
    (("count", "--store"), "--store"),
    (("count", "--store", "a", "--dump", "b"), "one of them"),
    (("count", "--store", "a", "--control", "b"), "one of them"),
    (("restore", "b", "--store", "a", "--control", "c"), "--control"),
    (("count", "--store", "a", "--limit", "1"), "--limit"),
    (("count", "--store", "a", "--damaged"), "--damaged"),
    (("count", "--store", "a", "b"), "b"),
    (("list", "--store", "a", "--limit", "0"), "--limit"),
    (("list", "--store", "a", "--limit", "x"), "--limit"),
    (("list", "--store", "a", "b", "c"), "c"),
    (("get", "--store", "a"), "TYPE [KEY]"),
    (("dump", "--store", "a"), "FILE"),
    (("dump", "--dump", "a", "b"), "--dump"),
    (("restore", "--store", "a"), "FILE"),
    (("restore", "b"), "--store"),
    (("restore", "b", "--store", "a", "--no-such", "x"), "--no-such"),
]


def ctx(*arguments, status=0):
    """Output of flx ctx, which must end with @status."""
    done = run(FLX, "ctx", *arguments, check=False)
    assert done.returncode == status, f"{arguments}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def counts(*where):
    """Count of each client, by its address in hexadecimal, as ctx list has them."""
    rows = re.findall(r"(?m)^network ([0-9a-f]{8}) \d+\.\ds ([0-9a-f]{16})$", ctx("list", *where))
    return {key: int.from_bytes(bytes.fromhex(context), "little") for key, context in rows}


class Ctx(harness.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="flx-ctx-", dir="/dev/shm")
        self.addCleanup(self.scratch.cleanup)

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def request(self):
        status, numbers, text = client("--requests", REQUESTS, "--key", "client", "--sockets", 4,
                                       "--from", ",".join(CLIENT_IPS), timeout=60)
        self.assertEqual(status, 0, text)
        return numbers["answers"]

    def kill(self, fabric):
        fabric.process.send_signal(signal.SIGKILL)
        fabric.process.wait()

    def assert_goes_on(self, network, before, *options):
        """A fabric with @options, which ends cleanly, counts on from @before; its output."""
        with Fabric("counter", *options, network=network) as fabric:
            for i in range(1, 3):
                self.assertEqual(ask("x"), f"{before['c6120002'] + i} x\n")
            result = fabric.stop()
        self.assert_clean(result)
        return result.output

    def look(self, *where):
        """All ways to look at a store, or a dump, of @REQUESTS requests."""
        found = counts(*where)
        self.assertEqual(len(found), len(CLIENT_IPS))
        self.assertEqual(sum(found.values()), REQUESTS)
        self.assertRegex(ctx("count", *where), r"(?m)^network +0 +4 +8 +4 +0 +\d+$")
        self.assertEqual(len(ctx("list", *where, "--limit", "3").splitlines()), 3)
        context = found["c6120003"].to_bytes(8, "little").hex()
        for key in ("198.18.0.3", "c6120003", "c6:12:00:03"):
            self.assertEqual(ctx("get", *where, "network", key).splitlines()[0], context)
        self.assertIn("network 198.18.0.99: there is no context of that key",
                      ctx("get", *where, "network", "198.18.0.99", status=1))
        self.assertIn("4 bytes", ctx("get", *where, "network", "198.18.0", status=2))
        self.assertIn("4 bytes", ctx("get", *where, "network", status=2))
        self.assertIn("nothing", ctx("get", *where, "nothing", "1", status=2))
        return found

    def test_store_is_looked_at_copied_and_run_on(self):
        store, copy, dump = self.path("store"), self.path("copy"), self.path("dump")
        with Network() as network:
            with Fabric("counter", "--store", store, network=network) as fabric:
                self.request()
                before = self.look("--store", store)
                self.assertEqual(self.look(), before)
                self.assertIn("dumped 4 contexts", ctx("dump", "--store", store, dump))
                self.assertIn("in use", ctx("restore", "--store", store, dump, status=1))
                self.assertIsNone(fabric.process.poll())
                self.kill(fabric)
            self.assertEqual(self.look("--store", store), before)
            self.assertEqual(counts("--dump", dump), before)
            self.assertIn("already", ctx("restore", "--store", store, dump, status=1))
            self.assertIn("restored 4 contexts", ctx("restore", "--store", copy, dump))
            self.assertEqual(self.look("--store", copy), before)
            output = self.assert_goes_on(network, before, "--store", copy, *TWO_WORKERS)
            self.assertIn("4 contexts found", output)
            self.assertEqual(counts("--store", copy)["c6120002"], before["c6120002"] + 2)

    def test_fabric_without_a_store_is_asked(self):
        dump, work = self.path("dump"), os.getcwd()
        snapshot = ["--snapshot", self.path("snapshot"), "--snapshot-every", "1"]
        with Network() as network:
            with Fabric("counter", *snapshot, network=network) as fabric:
                self.assertEqual(ctx("list"), "")
                self.request()
                before = self.look()
                self.assertIn("dumped 4 contexts to " + dump, ctx("dump", dump))
                self.assertEqual(self.look("--dump", dump), before)
                # From where the asker is, whatever it is called; and not where it does it itself.
                os.chdir(self.scratch.name)
                self.addCleanup(os.chdir, work)
                self.assertIn("dumped 4 contexts", ctx("dump", "a copy, 100 %"))
                self.assertEqual(self.look("--dump", "a copy, 100 %"), before)
                self.assertIn("writes its snapshots", ctx("dump", "snapshot", status=1))
                self.assertIn("No such file", ctx("dump", "no/where", status=1))
                self.assertIn("not a regular file", ctx("dump", "/dev/null", status=2))
                result = fabric.stop()
            self.assert_clean(result)
            self.assertIn("no fabric of this user runs", ctx("count", status=1))

    def test_snapshot_is_gone_on_from(self):
        snapshot = self.path("snapshot")
        keep = ["--restore", snapshot, "--snapshot", snapshot, "--snapshot-every", "1"]
        with Network() as network:
            with Fabric("counter", *keep, network=network) as fabric:
                self.assertIn("no snapshot was written there yet", fabric.output())
                self.request()
                fabric.wait_for(lambda: os.path.exists(snapshot) and
                                sum(counts("--dump", snapshot).values()) == REQUESTS, "a snapshot")
                self.kill(fabric)
            before = self.look("--dump", snapshot)
            output = self.assert_goes_on(network, before, *keep)
            self.assertIn(f"restored 4 contexts of {snapshot}", output)
            self.assertIn(f"snapshot {snapshot}: 4 contexts", output)
            self.assertEqual(counts("--dump", snapshot)["c6120002"], before["c6120002"] + 2)
            store = ["--store", self.path("store")]
            output = self.assert_goes_on(network, counts("--dump", snapshot), *store,
                                         "--restore", snapshot)
            self.assertIn("restored 4 contexts", output)
            output = self.assert_goes_on(network, counts(*store), *store, "--restore", snapshot)
            self.assertIn("not read", output)
        self.assertEqual([name for name in os.listdir(self.scratch.name) if ".tmp-" in name], [])

    def test_full_disk_costs_snapshots_only(self):
        disk = self.path("disk")
        snapshot = os.path.join(disk, "snapshot")
        os.mkdir(disk)
        # Room for a dump, and not for another beside it.
        run("mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk)
        self.addCleanup(run, "umount", disk)
        with Network() as network, \
             Fabric("counter", "--snapshot", snapshot, "--snapshot-every", "1",
                    network=network) as fabric:
            fabric.wait_for(lambda: "warning: snapshot" in fabric.output(), "a warning")
            before = ctx("list", "--dump", snapshot)
            self.request()
            time.sleep(2.5)
            self.assertEqual(fabric.output().count("No space left"), 1)
            run("mount", "-o", "remount,size=4m", disk)
            fabric.wait_for(lambda: "written again" in fabric.output(), "the note that it works")
            self.assertEqual(len(counts("--dump", snapshot)), 4)
            run("mount", "-o", "remount,size=256k", disk)
            result = fabric.stop()
            self.assertEqual(result.status, 1)
            self.assertIn("unexplained 0", result.output)
            self.assertRegex(result.output, r"error: snapshot .*No space left")
            self.assertEqual(len(counts("--dump", snapshot)), 4)
        self.assertEqual(before, "")
        self.assertEqual(os.listdir(disk), ["snapshot"])

    def test_damaged_dump_is_refused_until_it_is_asked_for(self):
        snapshot, store = self.path("snapshot"), self.path("store")
        options = ["run", "counter", "--dev", "--port", "ring"]
        run(FLX, *options, "--duration", "0.1", "--snapshot", snapshot)
        with open(snapshot, "r+b") as file:
            file.truncate(65536)
        done = run(FLX, *options, "--store", store, "--restore", snapshot, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, r"error: .*its end is missing; nothing was restored")
        self.assertIn("no store", ctx("count", "--store", store, status=1))
        self.assertIn("its end is missing", ctx("count", "--dump", snapshot, status=1))
        self.assertIn("nothing was restored", ctx("restore", "--store", store, snapshot, status=1))
        self.assertIn("what is whole", ctx("restore", "--store", store, snapshot, "--damaged"))
        self.assertIn("network", ctx("count", "--store", store))

    def test_bad_arguments_are_refused_with_one_line_and_status_2(self):
        for arguments, name in BAD_ARGUMENTS:
            with self.subTest(arguments):
                output = ctx(*arguments, status=2)
                self.assertIn(name, output)
                self.assertEqual(len(output.splitlines()), 1, output)
        self.assertIn("usage: flx ctx", ctx("--help"))
        self.assertIn("No such file", ctx("count", "--store", self.path("none"), status=1))
        self.assertIn("not a dump", ctx("count", "--dump", FLX, status=1))


if __name__ == "__main__":
    harness.main(network=True)
