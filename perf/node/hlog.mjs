// SPDX-License-Identifier: BSD-3-Clause
/*
 * hlog - latencies as files that HdrHistogram's tools read; the histograms are its own library's.
 *
 *	node perf/node/hlog.mjs --log gen.hlog --percentiles gen.hgrm RAW
 *
 * RAW holds latencies in nanoseconds, little-endian uint32, one after the other. The log (format 1.3,
 * V2 compressed) has them as one interval, its maximum in milliseconds, as is usual; the percentile
 * distribution is in microseconds. Values keep three digits. `npm ci` in this directory gets the library.
 */
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';

import { take } from './options.mjs';

const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;
const VALUE_MAX = 2 ** 32 - 1;
const VALUE_SIZE = 4;
const DIGITS = 3;
/* As HdrHistogram's own tools have it. */
const TICKS_PER_HALF = 5;
const CHUNK_SIZE = 1 << 20;

const program = {
	name: 'hlog.mjs',
	operands: 'RAW',
	options: {
		log: { help: 'file for the log' },
		percentiles: { help: 'file for the percentile distribution' },
		start: { help: 'when it began, seconds since 1970', value: 0, least: 0, most: 1e10, fraction: true },
		duration: { help: 'of the interval, seconds', value: 0, least: 0, most: 1e9, fraction: true },
		tag: { help: 'of the interval' },
	},
};

function fail(what) {
	console.error(`hlog.mjs: ${what}`);
	process.exit(1);
}

async function library() {
	try {
		return (await import('hdr-histogram-js')).default;
	} catch (error) {
		if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
		return fail('hdr-histogram-js is not installed; run: npm --prefix perf/node ci');
	}
}

/* Fills @bytes from @file as far as it goes; how many bytes there were. */
function readFully(file, bytes) {
	let size = 0;

	while (size < bytes.length) {
		const got = readSync(file, bytes, size, bytes.length - size, null);

		if (got === 0) break;
		size += got;
	}
	return size;
}

/* A histogram of the file at @path. */
function read(hdr, path) {
	const histogram = hdr.build({
		bitBucketSize: 64,
		autoResize: false,
		lowestDiscernibleValue: 1,
		highestTrackableValue: VALUE_MAX,
		numberOfSignificantValueDigits: DIGITS,
	});
	const bytes = Buffer.alloc(CHUNK_SIZE);
	const file = openSync(path, 'r');
	let size;

	do {
		size = readFully(file, bytes);
		if (size % VALUE_SIZE)
			fail(`${path} ends within a latency; it was cut, or is something else`);
		for (let at = 0; at < size; at += VALUE_SIZE) histogram.recordValue(bytes.readUInt32LE(at));
	} while (size === bytes.length);
	closeSync(file);
	return histogram;
}

/* The text of a log whose one interval is @histogram. */
function logOf(hdr, histogram, { start, duration, tag }) {
	let text = '';
	const writer = new hdr.HistogramLogWriter((line) => {
		text += line;
	});

	if (tag !== undefined) histogram.tag = tag;
	writer.outputComment('[Logged with flxperf; latencies in ns, Interval_Max in ms]');
	writer.outputLogFormatVersion();
	/* Not by outputStartTime, which leaves an empty line behind. */
	writer.outputComment(
		`[StartTime: ${start.toFixed(3)} (seconds since epoch), ${new Date(start * 1000).toUTCString()}]`,
	);
	writer.outputLegend();
	writer.outputIntervalHistogram(histogram, 0, duration, NS_PER_MS);
	return text;
}

const options = take(program);
if (options.operands.length !== 1) fail('give one file of latencies; --help shows how it is used');
if (!options.log && !options.percentiles) fail('nothing to write; give --log or --percentiles');
if (options.tag !== undefined && !/^[^\s,]+$/.test(options.tag))
	fail(`--tag '${options.tag}': a word without commas`);
const hdr = await library();
try {
	const histogram = read(hdr, options.operands[0]);

	if (options.log) writeFileSync(options.log, logOf(hdr, histogram, options));
	if (options.percentiles)
		writeFileSync(
			options.percentiles,
			histogram.outputPercentileDistribution(TICKS_PER_HALF, NS_PER_US),
		);
} catch (error) {
	if (error.syscall === undefined) throw error;
	fail(error.message);
}
