# SPDX-License-Identifier: BSD-3-Clause
"""Answers to ping and arping, how a running fabric ends, and what overload does to it."""
import concurrent.futures
import re
import signal
import subprocess
import time

import harness
from harness import (CLIENT_IPS, CPUS, FABRIC_IP, INTERFACE, NETNS, Fabric, Network, ask, client, inside,
                     run)


class Running(harness.TestCase):
    def test_pings_in_a_flood_are_all_answered(self):
        with Network() as network, Fabric("counter", network=network) as fabric:
            flood = inside("ping", "-f", "-q", "-c", "1000", FABRIC_IP).stdout
            result = fabric.stop()
        self.assertRegex(flood, r"1000 packets transmitted, 1000 received, 0% packet loss")
        self.assert_clean(result)

    def test_large_pings_come_back_unchanged(self):
        with Network() as network, Fabric("counter", network=network) as fabric:
            pings = inside("ping", "-q", "-c", "3", "-i", "0.1", "-s", "1400", "-p", "c0ffee",
                           FABRIC_IP).stdout
            result = fabric.stop()
        self.assertRegex(pings, r"3 received, 0% packet loss")
        self.assertNotIn("wrong data", pings)
        self.assert_clean(result)

    def test_arping_is_answered(self):
        with Network() as network, Fabric("counter", network=network) as fabric:
            answers = inside("arping", "-c", "3", "-i", network.peer, FABRIC_IP).stdout
            result = fabric.stop()
        self.assertRegex(answers, r"3 packets received")
        self.assert_clean(result)

    def test_a_service_that_was_idle_answers_the_first_datagram(self):
        workers = ["--workers", "2"] + (["--oversubscribe"] if CPUS < 2 else [])
        with Network() as network, Fabric("counter", *workers, network=network) as fabric:
            for number in range(1, 4):
                time.sleep(1)
                self.assertEqual(ask("hello"), f"{number} hello\n")
            pings = inside("ping", "-c", "15", "-i", "0.23", FABRIC_IP).stdout
            result = fabric.stop()
        self.assert_clean(result)
        # Each finds it asleep. It would be 50 ms and more if nothing but the clock woke it.
        took_ms = sorted(float(took) for took in re.findall(r"time=([\d.]+) ms", pings))
        self.assertEqual(len(took_ms), 15)
        self.assertLess(took_ms[7], 25)

    def end_under_load(self, number):
        with Network() as network, Fabric("counter", network=network) as fabric:
            load = subprocess.Popen(
                ["ip", "netns", "exec", NETNS, harness.CLIENT, "--to", f"{FABRIC_IP}:7000",
                 "--mode", "echo", "--duration", "2"],
                stdout=subprocess.DEVNULL, preexec_fn=harness.die_with_parent)
            fabric.wait_for(lambda: re.search(r"rx [1-9]\d{3,}/s", fabric.output()), "load")
            result = fabric.stop(number)
            load.wait(20)
        self.assert_clean(result)
        self.assertGreater(result.number("delivered"), 1000)

    def test_sigint_drains_and_exits_0(self):
        self.end_under_load(signal.SIGINT)

    def test_sigterm_drains_and_exits_0(self):
        self.end_under_load(signal.SIGTERM)

    def test_duration_ends_it(self):
        with Network() as network, \
             Fabric("counter", "--duration", "3", network=network) as fabric:
            self.assertEqual(ask("hello"), "1 hello\n")
            result = fabric.wait()
        self.assert_clean(result)

    def test_overload_is_refused_at_the_port_and_passes(self):
        slow = harness.BUILD / "tests/e2e/slow.so"
        options = ("--mode", "echo", "--from", ",".join(CLIENT_IPS))
        with Network() as network, Fabric(slow, network=network) as fabric:
            _, takes, text = client(*options, "--duration", "1")
            rate = takes["answers_per_s"]
            overload = (*options, "--window", "0", "--rate", int(2 * rate))
            client(*overload, "--duration", "1")
            before = fabric.resident_kib()
            status, numbers, more = client(*overload, "--duration", "3")
            grown = fabric.resident_kib() - before
            print(text.strip(), more.strip(), sep="\n", flush=True)
            self.assertEqual(ask("after"), "after\n")
            result = fabric.stop()
        self.assert_clean(result)
        self.assertEqual(status, 0)
        self.assertGreater(numbers["lost"], numbers["requests"] / 10, "this was no overload")
        # It goes on answering what it can, instead of spending itself on what it must refuse.
        self.assertGreater(numbers["answers"] / 3, rate / 4)
        self.assertLess(grown, 1024, "KiB of memory grown under load")

    def test_a_worker_that_stalls_is_named_and_goes_on(self):
        fault = harness.BUILD / "tests/e2e/fault.so"
        with Network() as network, Fabric(fault, network=network) as fabric:
            self.assertEqual(ask("before"), "before\n")
            ask("stall")  # and nobody waits for the answer
            fabric.wait_for(lambda: "goes on after" in fabric.output(), "the end of the stall")
            self.assertEqual(ask("after"), "after\n")
            result = fabric.stop()
        self.assert_clean(result)
        told = re.findall(r"(?m)^flx: warning: (worker \d+ \(CPU \d+\)) (.*)$", result.output)
        self.assertEqual(len({worker for worker, _ in told}), 1, told)
        texts = [text for _, text in told]
        # 2.5 s, but for time in which this machine let nobody run, which the watch leaves out.
        lasted = float(re.fullmatch(r"goes on after ([\d.]+) s", texts.pop())[1])
        self.assertEqual([re.sub(r"[\d.]+ s:", lambda s: f"{float(s[0][:-3]):.0f} s:", text)
                          for text in texts],
                         [f"has not ended its turn for {seconds} s: fluxion 'answer' runs; memory "
                          "freed meanwhile waits for it" for seconds in (1, 2, 4) if
                          seconds <= lasted])
        self.assertTrue(texts)
        self.assertRegex(result.output, r" 1 of \d+ workers stalled;")

    def test_a_process_that_was_stopped_as_a_whole_has_not_stalled(self):
        with Network() as network, Fabric("counter", network=network) as fabric:
            fabric.process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            fabric.process.send_signal(signal.SIGCONT)
            time.sleep(1)
            self.assertEqual(ask("hello"), "1 hello\n")
            result = fabric.stop()
        self.assert_clean(result)
        self.assertNotIn("warning: worker", result.output)

    def test_an_interface_that_goes_down_and_up_loses_no_buffer(self):
        if harness.port_kind == "tap":
            self.skipTest("a tap's other end goes down without its port")
        # It still has answers to send when the interface is gone.
        slow = harness.BUILD / "tests/e2e/slow.so"
        with Network() as network, Fabric(slow, network=network) as fabric, \
                concurrent.futures.ThreadPoolExecutor() as pool:
            load = pool.submit(client, "--mode", "echo", "--duration", "4")
            for _ in range(6):
                for state in ("down", "up"):
                    time.sleep(0.25)
                    run("ip", "link", "set", INTERFACE, state)
            load.result()
            self.assertEqual(ask("after"), "after\n")
            result = fabric.stop()
        self.assert_clean(result)


if __name__ == "__main__":
    harness.main(network=True)
