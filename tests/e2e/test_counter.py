# SPDX-License-Identifier: BSD-3-Clause
"""The counter over a port and a kernel client: every answer right, counts exact, nothing lost."""
import harness
from harness import CLIENT_IPS, CPUS, REQUESTS, Fabric, Network, client


class Counter(harness.TestCase):
    def count(self, requests, *flx_options, key="client", sockets=16):
        with Network() as network, \
             Fabric("counter", "--set", f"key={key}", *flx_options, network=network) as fabric:
            status, numbers, text = client(
                "--requests", requests, "--key", key, "--sockets", sockets,
                "--from", ",".join(CLIENT_IPS), timeout=300)
            result = fabric.stop()
        print(f"{key} {' '.join(flx_options)}: {text.strip()}", flush=True)
        self.assertEqual(status, 0, text + result.output)
        self.assertEqual(numbers["answers"], requests)
        self.assert_clean(result)
        self.assertGreaterEqual(result.number("received"), requests)
        self.assertGreaterEqual(result.number("delivered"), requests)

    def test_million_requests_from_16_ports_are_each_counted_once(self):
        self.count(REQUESTS)

    def test_one_count_for_all_clients_is_exact(self):
        self.count(REQUESTS // 10, key="all")

    def test_two_workers_count_each_client_exactly(self):
        self.count(REQUESTS // 10, "--workers", "2", *self.oversubscribe())

    def test_two_workers_count_all_clients_exactly(self):
        self.count(REQUESTS // 10, "--workers", "2", *self.oversubscribe(), key="all")

    def test_one_socket_counts_one_two_three(self):
        self.count(1000, sockets=1)

    @staticmethod
    def oversubscribe():
        return ["--oversubscribe"] if CPUS < 2 else []


if __name__ == "__main__":
    harness.main(network=True)
