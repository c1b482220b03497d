# SPDX-License-Identifier: BSD-3-Clause
"""Real frames from a file and to a file: what anybody can run, without root and without interfaces.

Every answer is parsed here, independently of flx: addresses, sizes and checksums.
"""
import collections
import pathlib
import resource
import signal
import socket
import struct
import tempfile
import time

import harness
from harness import CPUS, Fabric

FABRIC = socket.inet_aton("198.18.0.1")
CLIENTS = [socket.inet_aton(f"198.18.0.{n}") for n in range(2, 6)]
CLIENT_MAC = bytes.fromhex("020000000042")
BROADCAST = b"\xff" * 6
REQUESTS = 4000
PORTS = 16


def checksum(data):
    """RFC 1071; 0 over a header that holds a right one."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def arp_request():
    return (BROADCAST + CLIENT_MAC + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) +
            CLIENT_MAC + CLIENTS[0] + bytes(6) + FABRIC)


def request(mac, client, port, payload):
    udp = struct.pack(">HHHH", port, 7000, 8 + len(payload), 0) + payload
    pseudo = client + FABRIC + struct.pack(">BBH", 0, 17, len(udp))
    udp = udp[:6] + struct.pack(">H", checksum(pseudo + udp) or 0xffff) + udp[8:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0x4000, 64, 17, 0) + client + FABRIC
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return mac + CLIENT_MAC + b"\x08\x00" + ip + udp


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def read_pcap(path):
    data, at, frames = path.read_bytes(), 24, []
    while at < len(data):
        _, _, size, _ = struct.unpack_from("<IIII", data, at)
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames


class Pcap(harness.TestCase):
    def exchange(self, frames, *options):
        """What flx answers to these frames."""
        with tempfile.TemporaryDirectory() as folder:
            came, went = pathlib.Path(folder, "in.pcap"), pathlib.Path(folder, "out.pcap")
            write_pcap(came, frames)
            with Fabric("counter", "--dev", "--port", f"pcap:{came},{went}", "--ip",
                        "198.18.0.1/24", "--duration", "2", *options) as fabric:
                result = fabric.wait(30)
            self.assert_clean(result)
            self.assertEqual(result.number("received"), len(frames), result.output)
            return read_pcap(went)

    def learn_mac(self):
        reply, = self.exchange([arp_request()])
        mac = reply[6:12]
        self.assertEqual(reply[:42], CLIENT_MAC + mac + b"\x08\x06" +
                         struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + mac + FABRIC + CLIENT_MAC +
                         CLIENTS[0])
        return mac

    def check_answer(self, frame, mac):
        """Its client, port, count and request; every header field must be right."""
        self.assertEqual(frame[:14], CLIENT_MAC + mac + b"\x08\x00")
        ip, udp = frame[14:34], frame[34:]
        total, = struct.unpack(">H", ip[2:4])
        self.assertEqual((ip[0], ip[9], checksum(ip), total), (0x45, 17, 0, len(frame) - 14))
        self.assertEqual(ip[12:16], FABRIC)
        self.assertGreater(ip[8], 0)
        source, port, size, given = struct.unpack(">HHHH", udp[:8])
        self.assertEqual((source, size), (7000, len(udp)))
        self.assertNotEqual(given, 0)
        self.assertEqual(checksum(ip[12:20] + struct.pack(">BBH", 0, 17, size) + udp), 0)
        count, _, body = udp[8:].partition(b" ")
        self.assertRegex(count, rb"^[1-9][0-9]*$")
        return ip[16:20], port, int(count), body

    def count(self, *options, key="client"):
        mac = self.learn_mac()
        sent = collections.defaultdict(list)
        frames = []
        for number in range(REQUESTS):
            client = CLIENTS[number % len(CLIENTS)]
            flow = client, 40000 + number // len(CLIENTS) % PORTS
            # From none at all to what fills a frame together with the count: odd sizes too.
            body = (b"%d." % number).ljust(number % 1400, b"x") if number % 100 else b""
            sent[flow].append(body)
            frames.append(request(mac, *flow, body))
        answers = self.exchange(frames, "--set", f"key={key}", *options)
        got, counts = collections.defaultdict(list), collections.defaultdict(list)
        for frame in answers:
            client, port, count, body = self.check_answer(frame, mac)
            got[client, port].append(body)
            counts[client if key == "client" else None].append((count, port))
        self.assertEqual(dict(got), dict(sent), "each flow: every request once, in order")
        for series in counts.values():
            self.assertEqual(sorted(count for count, _ in series), list(range(1, len(series) + 1)))

    def test_every_frame_is_answered_and_counted_once(self):
        self.count()

    def test_one_count_for_all_is_exact(self):
        self.count(key="all")

    def test_two_workers_share_one_queue_exactly(self):
        workers = ["--workers", "2"] + (["--oversubscribe"] if CPUS < 2 else [])
        self.count(*workers)
        self.count(*workers, key="all")

    def crash(self, mac, fault, number):
        """Has a handler commit @fault as its second message; checks what is told, and the end."""
        with tempfile.TemporaryDirectory() as folder:
            came, went = pathlib.Path(folder, "in.pcap"), pathlib.Path(folder, "out.pcap")
            write_pcap(came, [request(mac, CLIENTS[0], 40000, body) for body in (b"x", fault)])
            with Fabric(harness.BUILD / "tests/e2e/fault.so", "--dev", "--workers", "1", "--port",
                        f"pcap:{came},{went}", "--ip", "198.18.0.1/24") as fabric:
                result = fabric.wait()
        self.assertEqual(result.status, -number, result.output)
        self.assertRegex(
            result.output, rf"(?m)^flx: error: {number.name} in worker 0: fluxion 'answer', at "
            r"the worker's message 1 for it, or one of the 63 behind; contexts are at their last "
            r"commit$")
        return result.output

    def test_a_crash_names_worker_fluxion_and_message(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        mac = self.learn_mac()
        self.crash(mac, b"abort", signal.SIGABRT)
        self.assertIn("'one == 2' does not hold", self.crash(mac, b"verify", signal.SIGABRT))
        if harness.SANITIZED:
            self.skipTest("the other signals are the sanitizer's own in this build")
        for fault, number in ((b"segv", signal.SIGSEGV), (b"bus", signal.SIGBUS),
                              (b"fpe", signal.SIGFPE), (b"ill", signal.SIGILL),
                              (b"stack", signal.SIGSEGV)):
            with self.subTest(fault):
                self.crash(mac, fault, number)

    def test_a_handler_that_never_returns_cannot_hold_up_the_second_signal(self):
        mac = self.learn_mac()
        with tempfile.TemporaryDirectory() as folder:
            came, went = pathlib.Path(folder, "in.pcap"), pathlib.Path(folder, "out.pcap")
            write_pcap(came, [request(mac, CLIENTS[0], 40000, b"x")])
            with Fabric(harness.BUILD / "tests/e2e/hang.so", "--dev", "--port",
                        f"pcap:{came},{went}", "--ip", "198.18.0.1/24") as fabric:
                fabric.wait_for(lambda: "fluxion 'never' runs" in fabric.output(), "the hang")
                fabric.process.send_signal(signal.SIGINT)
                time.sleep(0.2)
                result = fabric.stop(signal.SIGINT)
        self.assertEqual(result.status, 1, result.output)
        self.assertIn("worker 0 does not stop", result.output)


if __name__ == "__main__":
    harness.main()
