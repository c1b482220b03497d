// SPDX-License-Identifier: BSD-3-Clause
/*
 * server - a UDP service in one thread of Node, with the wire format of `flx run counter` and `echo`.
 *
 *	node perf/node/server.mjs --host 198.18.0.1 --port 7000
 *
 * It says when it listens, and when SIGINT or SIGTERM ends it what it did, in one line:
 *
 *	node: received=100 answered=99 refused=1 clients=4
 *
 * Refused are requests of more clients than --clients, and all while more than 4 MiB of answers wait
 * for the kernel: it is bounded as flx is.
 */
import { createSocket } from 'node:dgram';
import { isIPv4 } from 'node:net';

import { handlers } from './handler.mjs';
import { take } from './options.mjs';

/* Answers that wait; and how often that is looked at, for it costs a call into libuv. */
const QUEUE_MAX = 4 << 20;
const QUEUE_LOOK = 256;
/* What the kernel gives of it: net.core.rmem_max. */
const SOCKET_BUFFER = 4 << 20;

const program = {
	name: 'server.mjs',
	options: {
		host: { help: 'IPv4 address to listen on', value: '0.0.0.0' },
		port: { help: 'UDP port', value: 7000, least: 1, most: 65535 },
		mode: { help: 'counter or echo', value: 'counter', choices: Object.keys(handlers) },
		clients: { help: 'counts at most', value: 1 << 20, least: 1, most: 1 << 24 },
	},
};
const options = take(program);
const { answer, clients } = handlers[options.mode](options.clients);
let received = 0;
let answered = 0;
let crowded = false;

const socket = createSocket({
	type: 'udp4',
	recvBufferSize: SOCKET_BUFFER,
	sendBufferSize: SOCKET_BUFFER,
	/* The address is one already: to look it up would put off every answer to the next tick. */
	lookup: (address, family, callback) => callback(null, address, 4),
});

function end(status) {
	console.log(
		`node: received=${received} answered=${answered} refused=${received - answered} clients=${clients.size}`,
	);
	process.exit(status);
}

socket.on('message', (request, from) => {
	if (received++ % QUEUE_LOOK === 0) crowded = socket.getSendQueueSize() > QUEUE_MAX;
	if (crowded) return;
	const bytes = answer(request, from.address);
	if (bytes === null) return;
	socket.send(bytes, from.port, from.address);
	answered++;
});
socket.on('error', (error) => {
	console.error(`server.mjs: ${error.message}; is the address of this machine, and the port free?`);
	end(1);
});
socket.on('listening', () => console.log(`node: ${options.mode} on ${options.host}:${options.port}`));
process.on('SIGINT', () => end(0));
process.on('SIGTERM', () => end(0));
if (!isIPv4(options.host)) {
	console.error(`server.mjs: --host ${options.host}: give an IPv4 address of this machine`);
	process.exit(2);
}
socket.bind(options.port, options.host);
