# SPDX-License-Identifier: BSD-3-Clause
"""What the scripts of flxperf make of what others say: recorded outputs, such as say nothing, and none."""
import os
import pathlib
import shutil
import tempfile
import time
import unittest

import harness
from harness import run

SCRIPT = harness.SOURCE / "perf/peers.sh"
RECORDED = pathlib.Path(__file__).resolve().parent / "peers"
# What the script itself needs; a PATH of these alone has no tool of DPDK.
NEEDED = ("awk", "bash", "cat", "cp", "dmesg", "grep", "head", "mkfifo", "mktemp", "renice", "rm",
          "sed", "seq", "sleep", "stdbuf", "tail", "taskset", "tr")
TOOLS = {"ring": "dpdk-test", "graph": "dpdk-test", "dsw.1stage": "dpdk-test-eventdev",
         "dsw.2stage": "dpdk-test-eventdev", "5tswap": "dpdk-testpmd"}
# Of 2,300 MHz; testpmd showed 41,888,380 frames a second, and dsw's seconds took 1.25.
FIGURES = {
    "ring": ["peers.ring.spsc.8 cycles/elem 36.79", "peers.ring.mpmc.8 cycles/elem 112.73",
             "peers.ring.spsc.32 cycles/elem 23.79", "peers.ring.mpmc.32 cycles/elem 30.20"],
    "graph": ["peers.graph.call cycles/call 42.0", "peers.graph.object cycles/object 0.164"],
    "dsw.1stage": ["peers.dsw.1stage M/s 12.791"],
    "dsw.2stage": ["peers.dsw.2stage M/s 8.754"],
    "5tswap": ["peers.5tswap cycles/frame 54.91"],
}
# What a result stands in, by peer: without it the tool has said nothing.
RESULTS = {
    "ring": "MP/MC: bulk (size: 32)",
    "graph": "test_graph_perf_",
    "dsw.1stage": "mpps",
    "dsw.2stage": "mpps",
    "5tswap": "Rx-pps",
}


def recorded(peer):
    return (RECORDED / f"{peer}.txt").read_bytes().decode()  # lines end as they did


def lines_of(peer):
    return "".join(f"FIGURE {line}\n" for line in FIGURES[peer])


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)

    def peers(self, *words, path=None):
        return run(SCRIPT, "--tsc-mhz", "2300", *words, check=False,
                   env={**os.environ, "PATH": path or os.environ["PATH"]})

    def said(self, peer, text):
        """What the script makes of @text, said by @peer's tool."""
        file = self.dir / "said"
        file.write_bytes(text.encode())
        return self.peers("--from", file, peer)


class Parsers(Scratch):
    def test_recorded_outputs_become_figures(self):
        for peer in FIGURES:
            with self.subTest(peer=peer):
                done = self.said(peer, recorded(peer))
                self.assertEqual((done.returncode, done.stdout), (0, lines_of(peer)))

    def test_outputs_without_a_result_are_failures(self):
        for peer, result in RESULTS.items():
            text = recorded(peer)
            for bad in ("", text[:text.index(result)], text.replace(result, "other"),
                        "Segmentation fault\n"):
                with self.subTest(peer=peer, bad=bad[-40:]):
                    done = self.said(peer, bad)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f"peers: {peer}: cannot understand", done.stdout)
                    self.assertNotIn("FIGURE", done.stdout)

    def test_a_result_of_nothing_is_a_failure(self):
        for peer, was, now in (("5tswap", "Rx-pps:     41888380", "Rx-pps:     0"),
                               ("ring", "SP/SC: bulk (size: 8): 36.79", "SP/SC: bulk (size: 8): 0.00"),
                               ("graph", "succeeded", "failed")):
            with self.subTest(peer=peer):
                self.assertIn(was, recorded(peer))
                done = self.said(peer, recorded(peer).replace(was, now))
                self.assertEqual(done.returncode, 1)
                self.assertNotIn("FIGURE", done.stdout)

    def test_figures_of_another_mode_are_not_taken(self):
        self.assertEqual(self.said("macswap", recorded("5tswap")).returncode, 1)

    def test_a_driver_that_is_not_there_is_skipped(self):
        for peer in ("dsw.1stage", "dsw.2stage"):
            done = self.said(peer, recorded("no_driver"))
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, rf"^SKIP peers\.{peer} .*librte-event-dsw")


class Tools(Scratch):
    def bare_path(self):
        for tool in NEEDED:
            (self.dir / tool).symlink_to(shutil.which(tool))
        return str(self.dir)

    def make_tool(self, peer, text):
        """A tool of @peer that runs @text in bash, with what it is to say in $said."""
        tool = self.dir / TOOLS[peer]
        tool.write_text(f"#!/bin/bash\nsaid={RECORDED / peer}.txt\n{text}\n", encoding="utf-8")
        tool.chmod(0o755)
        return f"{self.dir}:{os.environ['PATH']}"

    def test_a_tool_that_is_not_there_is_skipped(self):
        path = self.bare_path()
        for peer, figures in FIGURES.items():
            with self.subTest(peer=peer):
                done = self.peers(peer, path=path)
                self.assertEqual(done.returncode, 0)
                self.assertEqual([line.split()[:2] for line in done.stdout.splitlines()],
                                 [["SKIP", line.split()[0]] for line in figures])
                self.assertIn("dpdk-dev", done.stdout)

    def test_a_tool_is_ended_when_it_has_said_enough(self):
        for peer in ("ring", "graph"):
            with self.subTest(peer=peer):
                path = self.make_tool(peer, f'cat "$said"; echo $$ >"{self.dir}/pid"; exec sleep 60')
                began = time.monotonic()
                done = self.peers(peer, path=path)
                self.assertEqual((done.returncode, done.stdout), (0, lines_of(peer)))
                self.assertLess(time.monotonic() - began, 30)
                pid = (self.dir / "pid").read_text(encoding="utf-8").strip()
                self.assertFalse(pathlib.Path("/proc", pid).exists())

    def test_dsws_main_thread_gives_way_and_its_seconds_are_timed(self):
        # A second of which it says 10 M takes half of one; no signal but KILL ends it.
        path = self.make_tool("dsw.1stage", f"""trap "" INT
            echo prod_enq_burst_sz
            for ((i = 0; ; i++)); do
                printf '\\r10.000 mpps avg 10.000 mpps'
                ps -o ni= -p $$ >"{self.dir}/nice"
                sleep 0.5
            done""")
        done = self.peers("--seconds", "4", "dsw.1stage", path=path)
        self.assertEqual(done.returncode, 0)
        figure = done.stdout.split()
        self.assertEqual(figure[:3], ["FIGURE", "peers.dsw.1stage", "M/s"])
        self.assertGreater(float(figure[3]), 0)
        self.assertNotEqual(figure[3], "10.000")
        self.assertEqual((self.dir / "nice").read_text(encoding="utf-8").split(), ["19"])

    def test_a_tool_that_dies_is_a_failure(self):
        for peer, tool in TOOLS.items():
            with self.subTest(peer=peer):
                done = self.peers("--seconds", "1", peer, path=self.make_tool(peer, "exit 3"))
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"peers: {peer}: cannot understand", done.stdout, tool)

    def test_testpmd_is_told_what_to_do(self):
        path = self.make_tool("5tswap", f'cat >"{self.dir}/told"; cat "$said"')
        done = self.peers("--seconds", "1", "5tswap", path=path)
        self.assertEqual((done.returncode, done.stdout), (0, lines_of("5tswap")))
        told = (self.dir / "told").read_text(encoding="utf-8").splitlines()
        self.assertEqual(told, ["set fwd 5tswap", "start tx_first 16", "show port stats all",
                                "show port stats all", "stop", "quit"])

    def test_wrong_words_are_refused(self):
        for words in ((), ("nothing",), ("--cpus", "1", "ring"), ("--seconds", "0", "ring"),
                      ("--seconds",), ("--no-such", "ring"), ("--from", "/nothing", "ring")):
            with self.subTest(words=words):
                done = self.peers(*words)
                self.assertEqual(done.returncode, 2)
                self.assertIn("usage: perf/peers.sh", done.stdout)


def has_network():
    """Whether idle.sh and wire.sh can be run: by root, where a veth pair can be made."""
    return os.geteuid() == 0 and run(
        "unshare", "--net", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run && "
        "mount -t sysfs sysfs /sys && ip link add name fa type veth peer name fb", check=False).returncode == 0


def figures_of(done, word):
    """Names of the figures that lines of @word are about, in order."""
    return [line.split()[1] for line in done.stdout.splitlines() if line.split()[:1] == [word]]


@unittest.skipUnless(has_network(), "needs root, and a veth pair in namespaces of its own")
class Network(Scratch):
    """Whom the scripts start, and who asks, only say what they are told to."""

    # INT is ignored by what bash starts in the background, unless it takes it up itself.
    SERVER = """#!/usr/bin/python3
import os, pathlib, signal, sys, time
if sys.argv[1] == "show":
    busy = pathlib.Path(os.environ["BUSY"]).read_text()
    time.sleep(0.1)
    print("  0    CPU 1    busy ", busy, "%", sep="")
    sys.exit(0)
def end(*_):
    print({said!r}, flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
print({first!r}, flush=True)
while True:
    signal.pause()
"""

    def setUp(self):
        super().setUp()
        self.make("sleep", f"exec {shutil.which('sleep')} 0.3")
        self.make("build/apps/flx", self.server("unexplained 0"))

    def server(self, said, first=""):
        return self.SERVER.format(said=said, first=first)

    def make(self, name, text):
        file = self.dir / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if text.startswith("#!") else f"#!/bin/bash\n{text}\n", encoding="utf-8")
        file.chmod(0o755)

    def script(self, *words, **environment):
        return run(*words, check=False, env={
            **os.environ, "PATH": f"{self.dir}:{os.environ['PATH']}",
            "FLX_BUILD": str(self.dir / "build"), **{key: str(is_) for key, is_ in environment.items()}})


class Wires(Network):
    IDLE = [f"idle.{name}" for name in ("cpu", "kernel_us.p50", "kernel_us.p99", "wake_us.p50",
                                        "wake_us.p99")]
    WIRE = ["wire.testpmd.5tswap", "wire.echo"]

    def setUp(self):
        super().setUp()
        # Whoever is asked first is the kernel, or testpmd.
        self.make("build/perf/wake", f"""[ "$1" = --to ] || exec {shutil.which('sleep')} 60
            echo >>"{self.dir}/asked"
            echo "p50=1.5 p99=2.5 most=9 lost=$([ $(wc -l <"{self.dir}/asked") = "$LOSER" ] && echo 1 || echo 0)" """)
        self.make("build/tests/e2e/client", f"""echo >>"{self.dir}/asked"
            [ $(wc -l <"{self.dir}/asked") = "$LOSER" ] || echo "lost=0 answers_per_s=1234 x=1" """)
        self.make("dpdk-testpmd", "exec cat")

    def idle(self, loser=0):
        return self.script("unshare", "--net", "--mount", harness.SOURCE / "perf/idle.sh", "--runs", "2",
                           "--count", "1", LOSER=loser)

    def wire(self, loser=0):
        return self.script("unshare", "--net", "--mount", harness.SOURCE / "perf/wire.sh", "2", "1",
                           LOSER=loser)

    def test_all_figures_come(self):
        done = self.idle()
        self.assertEqual((done.returncode, figures_of(done, "FIGURE")),
                         (0, self.IDLE[:1] + self.IDLE), done.stdout)
        self.assertIn("FIGURE idle.wake_us.p99 us 2.5", done.stdout)
        done = self.wire()
        self.assertEqual((done.returncode, figures_of(done, "FIGURE")), (0, self.WIRE * 2), done.stdout)
        self.assertIn("FIGURE wire.echo answers/s 1234", done.stdout)

    def test_what_is_not_explained_is_a_failure(self):
        for said in ("unexplained 3", "killed"):
            self.make("build/apps/flx", self.server(said))
            for script in (self.idle, self.wire):
                with self.subTest(said=said, script=script.__name__):
                    done = script()
                    self.assertEqual(done.returncode, 1, done.stdout)
                    self.assertIn("flx did not end with 'unexplained 0'", done.stdout)
                    self.assertIn(said, done.stdout)
                    self.assertFalse({*self.IDLE, "wire.echo"} & set(figures_of(done, "FIGURE")))

    def test_who_does_not_answer_is_named(self):
        for script, names in ((self.idle, ("the kernel's socket", "flx run counter")),
                              (self.wire, ("testpmd", "flx run echo"))):
            for loser, name in enumerate(names, start=1):
                with self.subTest(name=name):
                    (self.dir / "asked").unlink(missing_ok=True)
                    done = script(loser=loser)
                    self.assertEqual(done.returncode, 1, done.stdout)
                    self.assertRegex(done.stdout, f"failed: {name}(: answers were lost| did not answer)")
                    self.assertNotRegex(done.stdout, r"(?m)^FIGURE (.* 0$|\S+ \S+ *$)")

    def test_without_a_pair_every_figure_is_skipped(self):
        # setup.sh needs more of ip than that.
        self.make("ip", '[ "$*" = "link set lo up" ]')
        for script, figures in ((self.idle, self.IDLE), (self.wire, self.WIRE)):
            done = script()
            self.assertEqual((done.returncode, figures_of(done, "SKIP")), (0, figures), done.stdout)
            self.assertNotIn("FIGURE", done.stdout)
            for line in done.stdout.splitlines():
                self.assertRegex(line, "^SKIP .* no veth pair here: .")


@unittest.skipUnless(harness.CPUS > 1, "needs two CPUs")
class Services(Network):
    # Answers CAPACITY at most; in a closed loop CLOSED, of which LOST are lost. Where it loses, its
    # status is STATUS. The service is busiest while it starts, for START seconds.
    GENERATOR = """#!/usr/bin/python3
import os, pathlib, sys, time
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
capacity, closed, lost, status = (int(os.environ[name])
                                  for name in ("CAPACITY", "CLOSED", "LOST", "STATUS"))
seconds = float(options["--duration"])
def be_busy(percent):
    path = pathlib.Path(os.environ["BUSY"])
    path.with_suffix(".part").write_text(percent)
    path.with_suffix(".part").rename(path)
be_busy("100")
time.sleep(float(os.environ["START"]))
be_busy("60")
time.sleep(seconds + 0.2)
busy = "busy: generator 70 %, worker 0 %"
if "--rate" in options:
    rate = int(options["--rate"])
    answers = min(rate, capacity)
    lost = int((rate - answers) * seconds)
    print(f"  gen.given: {rate}/s planned, {answers}/s answered; lost {lost}, wrong 0, refused 0; {busy}")
    sys.exit(status if lost else 0)
print(f"  gen.rate: closed loop, {closed}/s answered; lost {lost}, wrong 0; {busy}")
"""
    FIGURES = [f"node.udp.{service}{figure}" for service in ("node", "flx")
               for figure in ("", ".busy", ".generator", ".limited")]

    def setUp(self):
        super().setUp()
        self.make("build/perf/flxperf", self.GENERATOR)
        self.make("node", self.server("node: asked=1 refused=0 x", "node: counter on"))
        self.make("ping", "exit 0")
        (self.dir / "busy").write_text("0", encoding="utf-8")

    def services(self, **environment):
        return self.script(harness.SOURCE / "perf/node/services.sh", "node.udp", "counter", "7000", "0.3",
                           **({"CAPACITY": 1000, "CLOSED": 800, "LOST": 0, "STATUS": 0, "START": 0,
                               "BUSY": self.dir / "busy"} | environment))

    def values(self, done):
        lines = [line.split() for line in done.stdout.splitlines() if line.startswith("FIGURE ")]
        self.assertEqual(([line[1] for line in lines], done.returncode), (self.FIGURES, 0), done.stdout)
        return {line[1]: float(line[3]) for line in lines}

    def test_a_closed_loop_counts_only_when_it_loses_little(self):
        # 1,000 lost of 700 + 1,000 in half a second; 3 of 1,003.
        for closed, lost, least, most in ((1400, 1000, 900, 1000), (2000, 3, 2000, 2000)):
            with self.subTest(closed=closed, lost=lost):
                done = self.services(CLOSED=closed, LOST=lost)
                for service in ("node", "flx"):
                    rate = self.values(done)[f"node.udp.{service}"]
                    self.assertTrue(least <= rate <= most, done.stdout)
                    self.assertEqual(self.values(done)[f"node.udp.{service}.limited"], 0)

    def test_a_generator_that_was_the_limit_is_told(self):
        values = self.values(self.services(STATUS=3, START=0.4))
        for service in ("node", "flx"):
            self.assertEqual(values[f"node.udp.{service}.limited"], 100)
            self.assertEqual(values[f"node.udp.{service}.generator"], 70)
        # As busy as while it was asked, not as in its busiest moment.
        self.assertEqual(values["node.udp.flx.busy"], 60)

    def test_a_generator_that_failed_is_a_failure(self):
        done = self.services(STATUS=1)
        self.assertEqual((done.returncode, figures_of(done, "FIGURE")), (1, []), done.stdout)
        self.assertRegex(done.stdout, r"not content with node \(given .*\): status 1")

    def test_where_it_cannot_run_every_figure_is_skipped(self):
        self.make("nproc", "echo 1")
        done = self.services()
        self.assertEqual((done.returncode, figures_of(done, "SKIP")), (0, self.FIGURES), done.stdout)
        self.assertIn("needs two CPUs", done.stdout)


if __name__ == "__main__":
    harness.main()
