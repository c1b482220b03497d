// SPDX-License-Identifier: BSD-3-Clause
/*
 * handler - what the service does with a request, whatever brought it: apps/counter.c and apps/echo.c.
 *
 * A handler is called with the request and the address that it comes from, and returns the answer, or
 * null where there is none: it has no room for one more client. Of what was tried it is the fastest: an
 * object per client costs less than to set a number in the Map again, digits by hand less than
 * a string and its latin1Write, and a Buffer of allocUnsafe (a piece of a pool) less than one that is
 * reused, which send() would have to slice, and which the socket may still hold.
 */

const SPACE = 0x20;
const DIGIT_0 = 0x30;

/* "<count> <request>", and a count per address. */
export function counter(clientsMax) {
	const clients = new Map();

	function answer(request, address) {
		let client = clients.get(address);

		if (client === undefined) {
			if (clients.size === clientsMax) return null;
			client = { count: 0 };
			clients.set(address, client);
		}
		let left = ++client.count;
		let digits = 1;
		for (let power = 10; power <= left; power *= 10) digits++;
		const bytes = Buffer.allocUnsafe(digits + 1 + request.length);
		for (let at = digits - 1; at >= 0; at--) {
			const tenth = Math.floor(left / 10);

			bytes[at] = DIGIT_0 + left - 10 * tenth;
			left = tenth;
		}
		bytes[digits] = SPACE;
		bytes.set(request, digits + 1);
		return bytes;
	}

	return { answer, clients };
}

/* The request itself. */
export function echo() {
	return { answer: (request) => request, clients: new Map() };
}

/* By the names that --mode has; each is made for so many clients. */
export const handlers = { counter, echo };
