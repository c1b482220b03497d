// SPDX-License-Identifier: BSD-3-Clause
/*
 * inprocess - the handler of server.mjs in a loop, without a network: what of Node's time is its own.
 *
 * Requests of 18 bytes (64 on the wire) come from so many clients in turn, as flxperf's client on a ring
 * makes them. It ends with a line for programs, after it has seen that every client has as
 * many counts as it sent requests, and that all answers together have the bytes that they must:
 *
 *	mode=counter clients=1024 answers=8388608 seconds=1.003 answers_per_s=8363518
 */
import { handlers } from './handler.mjs';
import { take } from './options.mjs';

const REQUEST_SIZE = 18;

const program = {
	name: 'inprocess.mjs',
	options: {
		mode: { help: 'counter or echo', value: 'counter', choices: Object.keys(handlers) },
		clients: { help: 'addresses, in turn', value: 1024, least: 1, most: 1 << 20 },
		duration: { help: 'seconds', value: 1, least: 0.05, most: 3600, fraction: true },
		figure: { help: 'name under which flxperf takes what it found' },
	},
};
const options = take(program);

function fail(what) {
	console.error(`inprocess.mjs: ${what}; handler.mjs is wrong`);
	process.exit(1);
}

const addresses = Array.from(
	{ length: options.clients },
	(_, client) => `198.${18 + (client >> 16)}.${(client >> 8) & 255}.${client & 255}`,
);
const requests = addresses.map((_, client) => Buffer.alloc(REQUEST_SIZE, client & 255));
const { answer, clients } = handlers[options.mode](options.clients);
const counted = options.mode === 'counter';
let rounds = 0;
let bytes = 0;

/* A request of every client. */
function round() {
	for (let client = 0; client < addresses.length; client++)
		bytes += answer(requests[client], addresses[client]).length;
	rounds++;
}

/* The same, and every byte looked at. */
function checkedRound() {
	const count = counted ? Buffer.from(`${++rounds} `) : Buffer.alloc(++rounds && 0);

	for (let client = 0; client < addresses.length; client++) {
		const given = answer(requests[client], addresses[client]);

		if (!given.equals(Buffer.concat([count, requests[client]])))
			fail(`request ${rounds} of ${addresses[client]} was answered '${given}'`);
		bytes += given.length;
	}
}

/* Bytes of the counts 1 .. @rounds, each with a space. */
function countBytes(last) {
	let sum = 0;

	for (let first = 1, digits = 1; first <= last; first *= 10, digits++)
		sum += (Math.min(first * 10 - 1, last) - first + 1) * (digits + 1);
	return sum;
}

/* Warm-up: until the compiler has seen it often. */
checkedRound();
for (let warm = 0; warm * addresses.length < 300_000; warm++) round();
const before = rounds;
const began = process.hrtime.bigint();
const end = began + BigInt(Math.round(options.duration * 1e9));
let now;
do {
	/* The clock costs as much as an answer; a round of few clients is short. */
	for (let spared = 0; spared < 4096; spared += addresses.length) round();
	now = process.hrtime.bigint();
} while (now < end);
const answers = (rounds - before) * addresses.length;
checkedRound();

if (counted && [...clients.values()].some(({ count }) => count !== rounds)) fail('counts are missing');
if (bytes !== addresses.length * (rounds * REQUEST_SIZE + (counted ? countBytes(rounds) : 0)))
	fail(`${bytes} bytes are not those of ${rounds} answers per client`);
const seconds = Number(now - began) / 1e9;
console.log(
	`mode=${options.mode} clients=${addresses.length} answers=${answers} seconds=${seconds.toFixed(3)} ` +
		`answers_per_s=${Math.round(answers / seconds)}`,
);
if (options.figure) console.log(`FIGURE ${options.figure} answers/s ${Math.round(answers / seconds)}`);
