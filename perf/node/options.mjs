// SPDX-License-Identifier: BSD-3-Clause
/*
 * options - the command lines of these programs: --name VALUE, each with a default, nothing else.
 */
import { parseArgs } from 'node:util';

/* Says what is wrong, and how it is right, and ends with status 2. */
function refuse(program, what) {
	console.error(`${program.name}: ${what}`);
	console.error(usage(program));
	process.exit(2);
}

function usage({ name, operands = '', options }) {
	const lines = Object.entries(options).map(
		([option, { help, value }]) =>
			`  --${option.padEnd(14)} ${help}${value === undefined ? '' : ` (${value})`}`,
	);

	return [`usage: ${name}${operands && ` ${operands}`} [OPTION]...`, ...lines].join('\n');
}

/* A number of @option's range; what is something else is refused. */
function number(program, name, { least, most, fraction }, text) {
	const value = (fraction ? /^\d+(\.\d+)?$/ : /^\d+$/).test(text) ? Number(text) : NaN;

	if (value >= least && value <= most) return value;
	return refuse(program, `--${name} ${text}: give a number from ${least} to ${most}`);
}

/*
 * take - the options of @program, by name, and its operands as `operands`
 * program.options: by name {help, value}, where value is the default; with {least, most} it is a number,
 * with {fraction} not only a whole one, with {choices} one of these words.
 */
export function take(program) {
	const types = Object.keys(program.options).map((name) => [name, { type: 'string' }]);
	let parsed;

	try {
		parsed = parseArgs({
			options: { ...Object.fromEntries(types), help: { type: 'boolean' } },
			allowPositionals: Boolean(program.operands),
		});
	} catch (error) {
		refuse(program, error.message);
	}
	if (parsed.values.help) {
		console.log(usage(program));
		process.exit(0);
	}
	const taken = { operands: parsed.positionals };

	for (const [name, option] of Object.entries(program.options)) {
		const text = parsed.values[name];

		if (text === undefined) taken[name] = option.value;
		else if (option.most !== undefined) taken[name] = number(program, name, option, text);
		else if (option.choices && !option.choices.includes(text))
			refuse(program, `--${name} ${text}: give one of ${option.choices.join(', ')}`);
		else taken[name] = text;
	}
	return taken;
}
