# SPDX-License-Identifier: BSD-3-Clause
"""Contexts outlive kill -9: ordinary clients that know what they were told, over many restarts.

    test_kill.py [--runs N] [--seed N] [unittest's own]

N processes (12) are killed, at random instants under load and as they start. What was told before a
kill holds after it. The store is on a hugetlbfs where the machine has free pages, else on tmpfs.
"""
import collections
import contextlib
import ctypes
import os
import pathlib
import random
import re
import select
import socket
import statistics
import sys
import tempfile
import time

import harness
from harness import CPUS, FABRIC_IP, NETNS, Failure, Fabric, Network, run

RUNS = int(os.environ.get("FLX_KILL_RUNS", "12"))
SEED = int(os.environ.get("FLX_KILL_SEED", "1"))

# Each is a context of its own; the first ones are the harness's.
ADDRESSES = [f"198.18.0.{host}" for host in range(2, 252)]
WINDOW = 4
# Longer than an answer takes; after it what is in flight is given up and sent anew.
SILENCE_S = 0.05
# Longer than a start takes, on a machine that has other things to do.
START_S = 20
# Of one start, up to where all answer.
EARLY_S = 1.2
UNDER_LOAD_S = 0.4


@contextlib.contextmanager
def in_namespace():
    """Sockets made meanwhile are the clients'."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as mine, open(f"/run/netns/{NETNS}", "rb") as theirs:
        if libc.setns(theirs.fileno(), 0) != 0:
            raise Failure(f"setns: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(mine.fileno(), 0)


def add_addresses(network):
    with tempfile.NamedTemporaryFile("w") as batch:
        for address in ADDRESSES:
            batch.write(f"address replace {address}/24 dev {network.peer}\n")
        batch.flush()
        run("ip", "-n", NETNS, "-batch", batch.name)


def open_socket(address, port):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.bind((address, 0))
    made.connect((FABRIC_IP, port))
    return made


def received(sock):
    """All that is there to be read."""
    while True:
        try:
            yield sock.recv(2048)
        except (BlockingIOError, ConnectionRefusedError):
            return


class CounterClient:
    """Asks the counter from every address, and knows per address what it asked and was told."""

    class Address:
        def __init__(self, address):
            self.address = address
            self.socket = open_socket(address, 7000)
            self.sent = 0
            self.in_flight = 0
            self.told = 0
            self.heard = 0  # when it was answered, or last given up

    def __init__(self):
        self.addresses = [self.Address(address) for address in ADDRESSES]
        self.by_fd = {each.socket.fileno(): each for each in self.addresses}
        self.epoll = select.epoll()
        for fd in self.by_fd:
            self.epoll.register(fd, select.EPOLLIN)
        self.answers = 0
        self.next_look = 0

    def close(self):
        self.epoll.close()
        for each in self.addresses:
            each.socket.close()

    def send(self, each):
        while each.in_flight < WINDOW:
            try:
                each.socket.send(b"%d of %s" % (each.sent, each.address.encode()))
            except (BlockingIOError, ConnectionRefusedError, OSError):
                return
            each.sent += 1
            each.in_flight += 1

    def take(self, each, answer):
        number, _, request = answer.partition(b" ")
        sequence, _, address = request.partition(b" of ")
        if address.decode() != each.address or int(sequence) >= each.sent:
            raise AssertionError(f"{each.address}: answer {answer} is not of its requests")
        # On one socket answers come in order: a number that does not rise was told before.
        if not each.told < int(number) <= each.sent:
            raise AssertionError(f"{each.address}: told {int(number)} after {each.told}, "
                                 f"{each.sent} were sent")
        each.told = int(number)
        each.in_flight = max(0, each.in_flight - 1)
        self.answers += 1

    def forget(self):
        """The fabric is gone: what it has answered counts, no more will come."""
        for each in self.addresses:
            for answer in received(each.socket):
                self.take(each, answer)
            each.in_flight = 0

    def pump(self, seconds, until=lambda: False):
        """Load for so long; True as soon as @until."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and not until():
            ready = self.epoll.poll(0.005)
            for fd, _ in ready:
                each = self.by_fd[fd]
                for answer in received(each.socket):
                    self.take(each, answer)
                    each.heard = now
                self.send(each)
            if now >= self.next_look:
                self.next_look = now + SILENCE_S / 2
                self.give_up(now)
        return until()

    def give_up(self, now):
        """Requests may be lost: who has heard nothing for a while asks anew."""
        for each in self.addresses:
            if now - each.heard > SILENCE_S:
                each.heard = now
                each.in_flight = 0
                self.send(each)

    def first_answer(self, fabric):
        """Waits for one; seconds from now."""
        start, before = time.monotonic(), self.answers

        def over():
            return self.answers > before or fabric.process.poll() is not None

        if not self.pump(START_S, over) or fabric.process.poll() is not None:
            raise Failure(f"no answer: {fabric.output()}")
        return time.monotonic() - start

    def everybody(self):
        """Every address is told a number above what it was told before."""
        before = {each.address: each.told for each in self.addresses}
        return self.pump(START_S, lambda: all(each.told > before[each.address]
                                              for each in self.addresses))


class PairsClient:
    """Sets, gets and deletes pairs, and knows per key what it may find: what it was told, or asked."""

    def __init__(self, sockets=24, keys=16):
        self.sockets = [open_socket(ADDRESSES[i % 16], 7001) for i in range(sockets)]
        self.keys = keys
        self.may_be = collections.defaultdict(lambda: {None})
        self.version = 0
        self.asked = {}  # by socket: verb, key, value
        self.answers = 0

    def close(self):
        for sock in self.sockets:
            sock.close()

    def ask(self, sock, verb, key, value=None):
        text = f"{verb} {key}" + (f" {value}" if value else "")
        if verb != "get":
            self.may_be[key].add(value)
        self.asked[sock] = verb, key, value
        sock.send(text.encode())

    def take(self, sock, answer):
        verb, key, value = self.asked.pop(sock)
        text = answer.decode().rstrip("\n")
        self.answers += 1
        if verb == "get":
            value = text[6:] if text.startswith("VALUE ") else None
            if value not in self.may_be[key]:
                raise AssertionError(f"{key}: found {text}, may be {self.may_be[key]}")
        elif text != "OK" and (verb, text) != ("del", "NONE"):
            raise AssertionError(f"{verb} {key}: {text}")
        self.may_be[key] = {value}

    def receive(self):
        ready, _, _ = select.select(self.sockets, [], [], 0.005)
        for sock in ready:
            for answer in received(sock):
                self.take(sock, answer)

    def forget(self):
        """The fabric is gone: what was asked may have been done, and is not answered any more."""
        self.asked.clear()
        for sock in self.sockets:
            list(received(sock))

    def pump(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for i, sock in enumerate(self.sockets):
                if sock in self.asked:
                    continue
                key = f"key-{i}-{random.randrange(self.keys)}"
                self.version += 1
                verb = random.choice(("set", "set", "get", "del"))
                self.ask(sock, verb, key, f"{key}={self.version}." * 8 if verb == "set" else None)
            self.receive()

    def get_all(self):
        """Everything is as it may be."""
        for at in range(self.keys):
            for i, sock in enumerate(self.sockets):
                self.ask(sock, "get", f"key-{i}-{at}")
            end = time.monotonic() + START_S
            while self.asked and time.monotonic() < end:
                self.receive()
            if self.asked:
                raise Failure(f"no answer to {list(self.asked.values())}")


class Store:
    """A directory for a store, on a filesystem of its own that is gone afterwards."""

    def __init__(self, size="256m"):
        self.parent = tempfile.mkdtemp(prefix="flx-kill-")
        free = re.search(r"HugePages_Free:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
        self.kind = "tmpfs"
        if size == "256m" and int(free[1]) >= 64:
            mounted = run("mount", "-t", "hugetlbfs", "none", self.parent, check=False)
            self.kind = "hugetlbfs" if mounted.returncode == 0 else "tmpfs"
        if self.kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.parent)
        self.path = f"{self.parent}/store"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("umount", "-l", self.parent, check=False)
        os.rmdir(self.parent)


def worker_options(count):
    return ["--workers", count, *(["--oversubscribe"] if count > CPUS else [])]


def start(network, store, app, *options):
    return Fabric(app, "--store", store.path, *options, network=network)


def end(fabric):
    result = fabric.stop()
    fabric.log.close()
    return result


def kill(fabric):
    """At any instant, with what is in flight half done."""
    time.sleep(random.uniform(0, 0.002))
    fabric.process.kill()
    fabric.process.wait()
    if re.search(r"sanitizer|damaged|unexplained [1-9]", fabric.output(), re.IGNORECASE):
        raise AssertionError(fabric.output())
    fabric.log.close()


class Kill(harness.TestCase):
    def setUp(self):
        random.seed(SEED)

    def test_counter_goes_on_after_every_kill(self):
        took, early = [], 0
        with Network() as network, Store() as store:
            add_addresses(network)
            with in_namespace():
                client = CounterClient()
            for _ in range(RUNS):
                # Fewer workers than before, or more: contexts find new owners.
                fabric = start(network, store, "counter", *worker_options(random.randint(1, 2)))
                if random.random() < 0.25:
                    early += 1
                    client.pump(random.uniform(0, EARLY_S))
                else:
                    took.append(client.first_answer(fabric))
                    client.pump(random.uniform(0, UNDER_LOAD_S))
                self.assertIsNone(fabric.process.poll(), "ended by itself")
                kill(fabric)
                client.forget()
            answers = client.answers
            fabric = start(network, store, "counter", *worker_options(1))
            took.append(client.first_answer(fabric))
            self.assertTrue(client.everybody(), "not every address is answered")
            output = fabric.output()
            result = end(fabric)
            client.close()
            found = re.search(r"(\d+) contexts found in [\d.]+ ms", output)
            self.assertEqual(int(found[1]), len(ADDRESSES), output)
        self.assertEqual(result.status, 0, result.output)
        self.assertNotRegex(result.output, "damaged")
        self.assertGreater(answers, RUNS * 100, "this was no load")
        print(f"{RUNS} kills on {store.kind}, {early} of them at start; {answers} answers; first "
              f"answer after a start: min {min(took):.2f} s, median "
              f"{statistics.median(took):.2f} s, max {max(took):.2f} s", flush=True)

    def test_pairs_are_what_was_told(self):
        with Network() as network, Store() as store:
            add_addresses(network)
            with in_namespace():
                client = PairsClient()
            for i in range(max(2, RUNS // 4)):
                fabric = start(network, store, "kv", "--set", "ttl=3600000",
                               *worker_options(1 + i % 2))
                fabric.wait_until_ready()
                client.get_all()
                client.pump(random.uniform(0.05, UNDER_LOAD_S))
                kill(fabric)
                client.forget()
            fabric = start(network, store, "kv", "--set", "ttl=3600000", *worker_options(2))
            fabric.wait_until_ready()
            client.get_all()
            there = sum(value is not None for values in client.may_be.values() for value in values)
            result = end(fabric)
            client.close()
        self.assertEqual(result.status, 0, result.output)
        self.assertNotRegex(result.output, "damaged")
        self.assertGreater(client.answers, 1000)
        print(f"{client.answers} answers, {there} pairs there at last", flush=True)

    def test_a_second_process_is_refused_and_the_first_goes_on(self):
        with Network() as network, Store() as store:
            with in_namespace():
                client = CounterClient.Address(harness.CLIENT_IPS[0])
            client.socket.setblocking(True)
            client.socket.settimeout(START_S)
            with start(network, store, "counter") as first:
                for number in range(1, 4):
                    second = run(harness.FLX, "run", "counter", "--store", store.path, "--dev",
                                 "--port", "null", check=False)
                    self.assertNotEqual(second.returncode, 0)
                    self.assertRegex(second.stdout,
                                     rf"in use by process {first.process.pid}; stop it or give "
                                     "another --store")
                    client.socket.send(b"still there")
                    self.assertEqual(client.socket.recv(100), b"%d still there" % number)
                result = first.stop()
            client.socket.close()
        self.assertEqual(result.status, 0, result.output)

    def test_a_full_filesystem_is_refused_and_leaves_nothing(self):
        with Store(size="1m") as store:
            refused = run(harness.FLX, "run", "counter", "--store", store.path, "--dev",
                          "--port", "null", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertRegex(refused.stdout, r"(?m)^flx: error: .*(No space|memory).*; ")
            self.assertEqual([name for name in os.listdir(store.path) if name != "lock"], [])
            # With room for it, it starts.
            run("mount", "-o", "remount,size=256m", store.parent)
            started = run(harness.FLX, "run", "counter", "--store", store.path, "--dev",
                          "--port", "null", "--duration", "1")
            self.assertIn("0 contexts found", started.stdout)


def take_numbers():
    """--runs N and --seed N out of the arguments; the rest is the harness's."""
    for name in ("runs", "seed"):
        if f"--{name}" in sys.argv:
            at = sys.argv.index(f"--{name}")
            os.environ[f"FLX_KILL_{name.upper()}"] = sys.argv[at + 1]
            globals()[name.upper()] = int(sys.argv[at + 1])
            del sys.argv[at:at + 2]
    if "--port" not in sys.argv:
        sys.argv += ["--port", "af_packet"]


if __name__ == "__main__":
    take_numbers()
    harness.main(network=True)
