// SPDX-License-Identifier: BSD-3-Clause
/*
 * The service over loopback, and its handlers by themselves: what flx run counter and echo answer.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { counter, echo } from '../handler.mjs';

const PROGRAM = (name) => fileURLToPath(new URL(`../${name}.mjs`, import.meta.url));
/* Nobody waits for ever: a test that hangs would be killed without a word. */
const OPTIONS = { timeout: 20_000 };

test('counter writes the count of each address as a decimal', () => {
	const { answer, clients } = counter(2);

	for (let count = 1; count <= 12_345; count++) {
		const text = answer(Buffer.from('a b'), '198.18.0.2').toString();

		assert.equal(text, `${count} a b`);
	}
	assert.equal(answer(Buffer.alloc(0), '198.18.0.3').toString(), '1 ');
	assert.deepEqual([...answer(Buffer.from([0, 255, 10]), '198.18.0.3')], [0x32, 0x20, 0, 255, 10]);
	assert.equal(clients.size, 2);
});

test('counter refuses one more client than it has room for', () => {
	const { answer } = counter(1);

	assert.equal(answer(Buffer.from('x'), '198.18.0.2').toString(), '1 x');
	assert.equal(answer(Buffer.from('x'), '198.18.0.3'), null);
	assert.equal(answer(Buffer.from('x'), '198.18.0.2').toString(), '2 x');
});

test('echo answers with the request', () => {
	assert.equal(echo().answer(Buffer.from('same'), '198.18.0.2').toString(), 'same');
});

/* Starts the service on a port that is free; its process and its port. */
async function start(...words) {
	const probe = createSocket('udp4');

	await new Promise((done) => probe.bind(0, '127.0.0.1', done));
	const { port } = probe.address();
	await new Promise((done) => probe.close(done));
	const server = spawn(process.execPath, [
		PROGRAM('server'),
		'--host',
		'127.0.0.1',
		'--port',
		port,
		...words,
	]);
	server.stdout.setEncoding('utf8');
	await once(server.stdout, 'data');
	return { server, port };
}

async function ask(client, port, text) {
	client.send(text, port, '127.0.0.1');
	const [bytes] = await once(client, 'message');
	return bytes.toString();
}

for (const signal of ['SIGINT', 'SIGTERM'])
	test(`service counts a client's requests, and tells at ${signal}`, OPTIONS, async () => {
		const { server, port } = await start();
		const clients = [createSocket('udp4'), createSocket('udp4')];
		let text = '';

		server.stdout.on('data', (piece) => {
			text += piece;
		});
		/* Two sockets of one address are one client. */
		assert.equal(await ask(clients[0], port, 'one'), '1 one');
		assert.equal(await ask(clients[1], port, 'two'), '2 two');
		assert.equal(await ask(clients[0], port, 'three'), '3 three');
		clients.forEach((client) => client.close());
		server.kill(signal);
		assert.deepEqual(await once(server, 'close'), [0, null]);
		assert.equal(text, 'node: received=3 answered=3 refused=0 clients=1\n');
	});

test('service echoes', OPTIONS, async () => {
	const { server, port } = await start('--mode', 'echo');
	const client = createSocket('udp4');

	assert.equal(await ask(client, port, 'same'), 'same');
	client.close();
	server.kill();
	assert.deepEqual(await once(server, 'close'), [0, null]);
});

for (const [name, words, said] of [
	['server', ['--port', '0'], /--port 0: give a number from 1 to 65535/],
	['server', ['--port', '1e3'], /--port 1e3: give/],
	['server', ['--mode', 'http'], /--mode http: give one of counter, echo/],
	['server', ['--host', 'example'], /--host example: give an IPv4 address/],
	['server', ['x'], /'x'/],
	['server', ['--prot', '1'], /--prot/],
	['inprocess', ['--clients', '1.5'], /--clients 1.5: give/],
	['inprocess', ['--duration', '0'], /--duration 0: give/],
])
	test(`${name} ${words.join(' ')} is refused with a reason`, OPTIONS, () => {
		const { status, stderr } = spawnSync(process.execPath, [PROGRAM(name), ...words], {
			encoding: 'utf8',
			timeout: OPTIONS.timeout,
		});

		assert.equal(status, 2);
		assert.match(stderr, said);
	});

for (const mode of ['counter', 'echo'])
	test(`loop of ${mode} finds its own answers right`, OPTIONS, () => {
		const { status, stdout, stderr } = spawnSync(
			process.execPath,
			[PROGRAM('inprocess'), '--mode', mode, '--clients', '1500', '--duration', '0.05'],
			{ encoding: 'utf8', timeout: OPTIONS.timeout },
		);

		assert.equal(status, 0, stderr);
		assert.match(stdout, new RegExp(`^mode=${mode} clients=1500 answers=\\d+ seconds=0\\.\\d+ answers_per_s=\\d+\n$`));
	});
