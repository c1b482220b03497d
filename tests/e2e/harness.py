# SPDX-License-Identifier: BSD-3-Clause
"""harness - runs flx and its clients for the end-to-end tests.

Every test program is one meson test:

    harness.main(TestCase, ...)              anybody may run it
    harness.main(TestCase, ..., network=True)  needs interfaces

With network=True the program starts itself again in network and mount namespaces of its own, in a user
namespace too when it is not root. So names never clash, nothing outside is seen or changed, and
everything is gone with the last process, however it ended. Where that cannot be had the test is skipped
(exit status 77). The client's side is one more namespace inside, made by pmd-config/setup.sh as the
README says.

The environment says what to test (set by meson.build): FLX_BUILD, FLX_E2E_SANITIZED, 1 when that is
a build with sanitizers, and FLX_E2E_REQUESTS, how many requests a long run takes; arguments: --port
KIND, then unittest's own.
"""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLX_BUILD", SOURCE / "build"))
FLX = BUILD / "apps/flx"
CLIENT = BUILD / "tests/e2e/client"
SETUP = SOURCE / "pmd-config/setup.sh"
SANITIZED = os.environ.get("FLX_E2E_SANITIZED") == "1"
REQUESTS = int(os.environ.get("FLX_E2E_REQUESTS", "1000000"))

SKIP = 77
ISOLATED = "FLX_E2E_ISOLATED"
# What the README's demo has.
INTERFACE, NETNS = "flx0", "flx-demo"
NET = "198.18.0.0/24"
FABRIC_IP = "198.18.0.1"
CLIENT_IPS = ("198.18.0.2", "198.18.0.3", "198.18.0.4", "198.18.0.5")
CPUS = len(os.sched_getaffinity(0))

port_kind = None


class Failure(Exception):
    """Something did not work that a test takes for granted."""


def skip(reason):
    print("skipped:", reason, flush=True)
    sys.exit(SKIP)


def run(*command, check=True, timeout=60, **options):
    """Runs a command to its end; its CompletedProcess with text output, stderr in stdout."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done


# ------------------------------------------------------------------------------------- isolation

def die_with_parent():
    """In a child before exec: a test that is killed takes its processes along."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def isolate():
    """Returns only inside namespaces of this program's own."""
    if os.environ.get(ISOLATED):
        # ip netns writes to /run, and /sys still shows the interfaces of before.
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("mount", "-t", "sysfs", "sysfs", "/sys")
        run("ip", "link", "set", "lo", "up")
        return
    unshare = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    tried = run(*unshare, "sh", "-c", "mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys",
                check=False)
    if tried.returncode != 0:
        skip(f"no namespaces of our own: {tried.stdout.strip()}")
    os.environ[ISOLATED] = "1"
    os.execvp(unshare[0], unshare + [sys.executable] + sys.argv)


# ------------------------------------------------------------------------------------ interfaces

class Network:
    """The interface that the fabric's port stands on, with its clients' namespace behind it."""

    def __init__(self):
        self.peer = None
        self.options = ()

    def __enter__(self):
        if port_kind != "tap":
            run(SETUP, "veth")
            self.find_peer()
        return self

    def __exit__(self, *_):
        run(SETUP, "undo", check=False)

    def find_peer(self):
        links = json.loads(run("ip", "-n", NETNS, "-j", "link").stdout)
        self.peer = next(link["ifname"] for link in links if link["ifname"] != "lo")
        for ip in CLIENT_IPS[1:]:
            run("ip", "-n", NETNS, "address", "add", f"{ip}/24", "dev", self.peer)

    def spec(self):
        return f"{port_kind}:{INTERFACE}"

    def started(self):
        """To be called when the fabric runs: a tap is there only then, and still in our namespace."""
        if port_kind != "tap":
            return
        run("ip", "netns", "add", NETNS)
        run("ip", "link", "set", INTERFACE, "netns", NETNS)
        run("ip", "-n", NETNS, "address", "add", f"{CLIENT_IPS[0]}/24", "dev", INTERFACE)
        run("ip", "-n", NETNS, "link", "set", INTERFACE, "up")
        self.find_peer()

    def stopped(self):
        if port_kind == "tap":
            run("ip", "netns", "delete", NETNS)


def inside(*command, **options):
    """Runs a command in the clients' namespace."""
    return run("ip", "netns", "exec", NETNS, *command, **options)


def client(*options, port=7000, **run_options):
    """Runs the client; its status, its numbers by name, and all it printed."""
    done = inside(CLIENT, "--to", f"{FABRIC_IP}:{port}", *options, check=False, **run_options)
    lines = done.stdout.strip().splitlines()
    numbers = dict(re.findall(r"(\w+)=([\d.]+)", lines[-1] if lines else ""))
    return done.returncode, {name: float(value) for name, value in numbers.items()}, done.stdout


def ask(request, port=7000):
    """One request with nc, as a person would; the answer."""
    return inside("sh", "-c", f"echo {request} | nc -u -w 1 {FABRIC_IP} {port}").stdout


# ------------------------------------------------------------------------------------- the fabric

class Result:
    """How a run of flx ended: exit status and output, and the ledger's numbers."""

    def __init__(self, status, output):
        self.status = status
        self.output = output

    def number(self, name):
        """Of the first line that has @name and a number; 0: the ledger leaves zeros out."""
        found = re.search(rf"^\W*{re.escape(name)}\s+(-?\d+)", self.output, re.MULTILINE)
        return int(found[1]) if found else 0

    def buffers(self):
        """Free, and of how many, at the end."""
        found = re.search(r"buffers free\s+(\d+)\s+of (\d+)", self.output)
        return (int(found[1]), int(found[2])) if found else None


class Fabric:
    """`flx run`, from start to end."""

    def __init__(self, *arguments, network=None, build=BUILD):
        self.network = network
        self.log = tempfile.TemporaryFile()
        arguments = [str(argument) for argument in arguments]
        if network:
            arguments += ["--port", network.spec(), "--ip", f"{FABRIC_IP}/24", "--dev"]
        self.process = subprocess.Popen(
            [str(build / "apps/flx"), "run", *arguments], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)

    def __enter__(self):
        try:
            if self.network:
                self.wait_until_ready()
        except Failure:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if kind:
            print(self.output(), flush=True)
        self.log.close()
        if self.network:
            self.network.stopped()

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def wait_for(self, happened, what, timeout_s=20):
        end = time.monotonic() + timeout_s
        while not happened():
            if self.process.poll() is not None:
                raise Failure(f"flx ended with {self.process.returncode} before {what}")
            if time.monotonic() > end:
                raise Failure(f"not in {timeout_s} s: {what}")
            time.sleep(0.05)

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def wait_until_ready(self):
        """Ready is: it answers. A ping changes no context."""
        if port_kind == "tap":
            self.wait_for(lambda: run("ip", "link", "show", INTERFACE, check=False).returncode == 0,
                          f"interface {INTERFACE}")
            # The driver still sets the interface up; moved in between, it would not find it.
            self.wait_for(lambda: " s  rx" in self.output(), "the first status line")
        self.network.started()
        self.wait_for(lambda: inside("ping", "-c", "1", "-W", "1", FABRIC_IP,
                                     check=False).returncode == 0, "the answer to a ping")

    def stop(self, number=signal.SIGINT, timeout_s=20):
        """Ends it with a signal; its Result."""
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s=20):
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"flx has not ended in {timeout_s} s") from None
        return Result(self.process.returncode, self.output())


class TestCase(unittest.TestCase):
    """With what every test of a fabric ends."""

    def assert_clean(self, result):
        """Ended as asked, with everything explained and every buffer back."""
        self.assertEqual(result.status, 0, result.output)
        self.assertRegex(result.output, r"(?m)^unexplained 0$")
        self.assertNotRegex(result.output, r"(?i)\berror:|sanitizer")
        # That all are back, flx itself says by its status; it knows what the driver keeps.
        self.assertIsNotNone(result.buffers(), "the ledger does not say how many buffers are free")
        if port_kind != "af_xdp":
            self.assertEqual(*result.buffers(), "buffers are missing")


# ------------------------------------------------------------------------------------------- main

def find_tools(network):
    needed = ["ip", "ping", "arping", "nc", "unshare", "mount"] if network else []
    missing = [tool for tool in needed if not shutil.which(tool)]
    if missing:
        skip(f"not installed: {' '.join(missing)}")


def require_port():
    """Skips what the kernel does not have, or does not let us use."""
    if port_kind == "af_xdp" and os.geteuid() != 0:
        skip("af_xdp needs root: the kernel lets nobody else load its program")
    if port_kind == "af_xdp":
        af_xdp = 44
        try:
            socket.socket(af_xdp, socket.SOCK_RAW).close()
        except OSError as error:
            skip(f"this kernel has no AF_XDP sockets for us: {error}")
    if port_kind == "tap" and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip("no access to /dev/net/tun")


def take_port():
    """Takes --port KIND out of the arguments, which unittest reads next."""
    global port_kind
    if "--port" in sys.argv:
        at = sys.argv.index("--port")
        port_kind = sys.argv[at + 1]
        return sys.argv[:at] + sys.argv[at + 2:]
    return sys.argv


def main(network=False):
    """Runs the tests of the calling program and exits."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("timed out"))
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    arguments = take_port()
    find_tools(network)
    if network:
        if not os.environ.get(ISOLATED):
            require_port()
        isolate()
    unittest.main(module="__main__", argv=arguments, verbosity=2, failfast=True)
