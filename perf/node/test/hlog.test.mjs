// SPDX-License-Identifier: BSD-3-Clause
/*
 * What hlog.mjs writes, read back, beside the percentiles that HdrHistogram's own tests expect
 * (HistogramDataAccessTest): 10,000 results of 1,000 and one of 100,000,000, as they are and
 * corrected for an expected interval of 10,000.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import hdr from 'hdr-histogram-js';

const HLOG = fileURLToPath(new URL('../hlog.mjs', import.meta.url));
const SHORT = 1000;
const LONG = 100_000_000;
const INTERVAL = 10_000;
const SHORT_COUNT = 10_000;

/* Percentile, value. */
const RAW = [
	[30, SHORT],
	[50, SHORT],
	[75, SHORT],
	[90, SHORT],
	[99, SHORT],
	[99.99, SHORT],
	[99.999, LONG],
	[100, LONG],
];
const CORRECTED = [
	[30, SHORT],
	[50, SHORT],
	[75, 50_000_000],
	[90, 80_000_000],
	[99, 98_000_000],
	[99.9, 99_800_000],
	[99.999, LONG],
	[100, LONG],
];

const directory = mkdtempSync(join(tmpdir(), 'flx-hlog-'));
after(() => rmSync(directory, { recursive: true }));

const raw = [...Array(SHORT_COUNT).fill(SHORT), LONG];
/* What would have been measured in the time of a result that is longer than the interval. */
const corrected = [...raw];
for (let value = LONG - INTERVAL; value >= INTERVAL; value -= INTERVAL) corrected.push(value);

function near(value, expected) {
	assert.ok(Math.abs(value - expected) <= expected * 0.001, `${value}, not ${expected} +- 0.1 %`);
}

function fileOf(name, values) {
	const bytes = Buffer.alloc(4 * values.length);

	values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
	writeFileSync(join(directory, name), bytes);
	return join(directory, name);
}

function hlog(...words) {
	return spawnSync(process.execPath, [HLOG, ...words], { encoding: 'utf8', timeout: 60_000 });
}

/* The lines of the log of @values. */
function logOf(values, ...words) {
	const log = join(directory, 'log');
	const { status, stderr } = hlog('--log', log, ...words, fileOf('raw', values));

	assert.equal(status, 0, stderr);
	return readFileSync(log, 'utf8');
}

for (const [name, values, count, percentiles] of [
	['raw', raw, SHORT_COUNT + 1, RAW],
	['corrected', corrected, 2 * SHORT_COUNT, CORRECTED],
]) {
	test(`log of ${name} results has the published percentiles`, () => {
		const log = logOf(values);
		const reader = new hdr.HistogramLogReader(log);
		const histogram = reader.nextIntervalHistogram();

		assert.equal(histogram.totalCount, count);
		for (const [percentile, value] of percentiles)
			near(histogram.getValueAtPercentile(percentile), value);
		near(histogram.minNonZeroValue, SHORT);
		near(histogram.maxValue, LONG);
		near(histogram.mean, values.reduce((sum, value) => sum + value) / count);
		assert.equal(reader.nextIntervalHistogram(), null);
	});

	test(`percentile distribution of ${name} results has them as well`, () => {
		const hgrm = join(directory, 'hgrm');
		const { status, stderr } = hlog('--percentiles', hgrm, fileOf('raw', values));
		const lines = readFileSync(hgrm, 'utf8').split('\n');
		const rows = lines
			.filter((line) => /^ +\d/.test(line))
			.map((line) => line.trim().split(/ +/).map(Number));

		assert.equal(status, 0, stderr);
		assert.match(lines[0], /^ +Value +Percentile +TotalCount +1\/\(1-Percentile\)$/);
		assert.ok(lines.some((line) => line.startsWith('#[Mean ')));
		for (const [percentile, value] of percentiles) {
			/* Rows are at levels of their own: the value is between those of two. */
			const above = rows.findIndex(([, level]) => level >= percentile / 100);
			const [high] = rows[above];
			const [low] = rows[Math.max(above - 1, 0)];

			assert.ok(low * 1000 <= value * 1.001 && high * 1000 >= value * 0.999, `${percentile} %`);
		}
		assert.equal(rows.at(-1)[1], 1);
		near(rows.at(-1)[0] * 1000, LONG);
		assert.equal(rows.at(-1)[2], count);
	});
}

test('library corrects for the interval as the test does', () => {
	const histogram = hdr.build({ highestTrackableValue: 3600e6 });

	for (let i = 0; i < SHORT_COUNT; i++) histogram.recordValueWithExpectedInterval(SHORT, INTERVAL);
	histogram.recordValueWithExpectedInterval(LONG, INTERVAL);
	assert.equal(histogram.totalCount, 2 * SHORT_COUNT);
	for (const [percentile, value] of CORRECTED)
		near(histogram.getValueAtPercentile(percentile), value);
});

test('log is format 1.3 and V2 compressed, in one interval', () => {
	const log = logOf(raw, '--start', '1700000000.5', '--duration', '2.5', '--tag', 'gen');

	const expected = [
		/^#\[Logged with flxperf; latencies in ns, Interval_Max in ms\]$/,
		/^#\[Histogram log format version 1\.3\]$/,
		/^#\[StartTime: 1700000000\.500 \(seconds since epoch\), Tue, 14 Nov 2023 22:13:20 GMT\]$/,
		/^"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"$/,
		/* The last begins with its cookie, in base64: whatever reads such logs looks for it. */
		/^Tag=gen,0\.000,2\.500,100\.\d{3},HISTFAAA[\w+/=]+$/,
		/^$/,
	];
	const lines = log.split('\n');

	assert.equal(lines.length, expected.length);
	lines.forEach((line, index) => assert.match(line, expected[index]));
});

test('all values of a uint32 are kept, whatever the size of the file', () => {
	const many = [0, 2 ** 32 - 1, ...Array(600_000).fill(7)];
	const histogram = new hdr.HistogramLogReader(logOf(many)).nextIntervalHistogram();

	assert.equal(histogram.totalCount, many.length);
	near(histogram.maxValue, 2 ** 32 - 1);
	assert.equal(histogram.getValueAtPercentile(50), 7);
});

test('log of no results is empty, not broken', () => {
	assert.equal(new hdr.HistogramLogReader(logOf([])).nextIntervalHistogram().totalCount, 0);
});

for (const [what, words, said] of [
	['a cut file', () => ['--log', join(directory, 'x'), cut()], /ends within a latency/],
	['no file', () => ['--log', join(directory, 'x'), join(directory, 'none')], /ENOENT/],
	['nothing to do', () => [fileOf('raw', raw)], /nothing to write/],
	['no operand', () => ['--log', 'x'], /give one file/],
	['a tag of two words', () => ['--log', 'x', '--tag', 'a,b', 'x'], /a word without commas/],
	['a start that is no number', () => ['--log', 'x', '--start', 'now', 'x'], /--start now: give/],
	['an unknown option', () => ['--logs', 'x', 'x'], /--logs/],
])
	test(`${what} is refused with a reason`, () => {
		const { status, stderr } = hlog(...words());

		assert.notEqual(status, 0);
		assert.match(stderr, said);
	});

function cut() {
	writeFileSync(join(directory, 'cut'), Buffer.alloc(6));
	return join(directory, 'cut');
}
