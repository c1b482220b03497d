/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "apps/config.h"
#include "tests/capture.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char directory[] = "/tmp/flx-test-config-XXXXXX";
static char path[64];
static struct flx_config config;
static struct flx_capture capture;

static void write_bytes(const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* What loading the file says, without the path in front; "" when it says nothing. */
static const char *load(int *rc)
{
	const char *text;
	const char *found;

	flx_capture_start(&capture);
	*rc = flx_config_load(&config, path);
	text = flx_capture_stop(&capture);
	found = strstr(text, path);
	return found ? found + strlen(path) : text;
}

static void test_config_keeps_names_values_and_lines(void)
{
	static const char text[] = "# a comment\r\n"
				   "\n"
				   "  [app]\t# one behind\n"
				   "key=all\n"
				   "  greeting  =  gr\303\274\303\237 = \\ dich \t\r\n"
				   "[ flx ]\n"
				   "port = null\n"
				   "port = ring # twice\n"
				   "dev = on";
	static const struct {
		enum flx_config_section section;
		uint32_t line;
		const char *name, *value;
	} rows[] = {
		{FLX_CONFIG_APP, 4, "key", "all"},
		{FLX_CONFIG_APP, 5, "greeting", "gr\303\274\303\237 = \\ dich"},
		{FLX_CONFIG_FLX, 7, "port", "null"},
		{FLX_CONFIG_FLX, 8, "port", "ring"},
		{FLX_CONFIG_FLX, 9, "dev", "on"},
	};
	int rc;

	write_bytes(text, sizeof(text) - 1);
	CU_ASSERT_STRING_EQUAL(load(&rc), "");
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL_FATAL(config.count, COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		CU_ASSERT_EQUAL(config.entry[i].section, rows[i].section);
		CU_ASSERT_EQUAL(config.entry[i].place.line, rows[i].line);
		CU_ASSERT_STRING_EQUAL(config.entry[i].place.path, path);
		CU_ASSERT_STRING_EQUAL(config.entry[i].name, rows[i].name);
		CU_ASSERT_STRING_EQUAL(config.entry[i].value, rows[i].value);
	}
}

static void test_config_keeps_lines_when_flx_comes_first(void)
{
	static const char text[] = "[flx]\ndev = on\n[app]\nkey = all\n";
	int rc;

	write_bytes(text, sizeof(text) - 1);
	load(&rc);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL_FATAL(config.count, 2);
	CU_ASSERT_EQUAL(config.entry[0].place.line, 2);
	CU_ASSERT_EQUAL(config.entry[1].place.line, 4);
	CU_ASSERT_EQUAL(config.entry[1].section, FLX_CONFIG_APP);
}

#define TEXT(literal) literal, sizeof(literal) - 1

static void test_config_names_the_line_of_each_fault(void)
{
	static const struct {
		const char *text;
		size_t size;
		const char *error;
	} rows[] = {
		{TEXT(""), ": empty; give [flx] and options, or leave --config out\n"},
		{TEXT("# nothing\n\n"),
		 ": no section; give [flx] (options of flx run) or [app] (settings)\n"},
		{TEXT("[flx]\ndev = \0on\n"), ":2: a NUL byte; give a text file\n"},
		{TEXT("[flx]\n\x1b[31m = 3\n"), ":2: a control character; give a text file\n"},
		{TEXT("[flx]\ndev = on\r"), ":2: a control character; give a text file\n"},
		{TEXT("[flx]\ndev\r = on\n"), ":2: a control character; give a text file\n"},
		{TEXT("[flx]\na = \x7f\n"), ":2: a control character; give a text file\n"},
		{TEXT("[flx]\n\na = \xff\n"), ":3: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("[flx]\na = \xc0\xaf\n"), ":2: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("[flx]\na = \xe0\x9f\xbf\n"), ":2: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("[flx]\na = \xed\xa0\x80\n"), ":2: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("[flx]\na = \xf4\x90\x80\x80\n"),
		 ":2: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("[flx]\na = \xf0\x9f\x98"), ":2: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("[flx]\na = \x80\n"), ":2: not UTF-8; save the file as UTF-8 text\n"},
		{TEXT("\xef\xbb\xbf[flx]\ndev = on\n"),
		 ":1: neither a section, a comment (#) nor name = value\n"},
		{TEXT("[flx]\nworkers 3\n"),
		 ":2: neither a section, a comment (#) nor name = value\n"},
		{TEXT("workers = 3\n"), ":1: before any section; put [flx] or [app] above it\n"},
		{TEXT("[flx]\n= 3\n"), ":2: not a name before '='; give letters, digits and -_.\n"},
		{TEXT("[flx]\na b = 3\n"),
		 ":2: not a name before '='; give letters, digits and -_.\n"},
		{TEXT("[flx]\nworkers =\n"),
		 ":2: no value; give one behind '=', or take the line out\n"},
		{TEXT("[flx]\nworkers = # 3\n"),
		 ":2: no value; give one behind '=', or take the line out\n"},
		{TEXT("[flx]\nport = a\\#b\n"),
		 ":2: '\\#'; there is no escape, and # begins a comment\n"},
		{TEXT("[flx\n"), ":1: not a section; give [flx] or [app] alone on a line\n"},
		{TEXT("["), ":1: not a section; give [flx] or [app] alone on a line\n"},
		{TEXT("[flx] dev = on\n"),
		 ":1: not a section; give [flx] or [app] alone on a line\n"},
		{TEXT("[flix]\n"),
		 ":1: unknown section; give [flx] (options of flx run) or [app] (settings)\n"},
		{TEXT("[flx]\n[app]\n[flx]\n"),
		 ":3: section [flx] again; put its lines below line 1\n"},
	};
	int rc;

	for (size_t i = 0; i < COUNT(rows); i++) {
		write_bytes(rows[i].text, rows[i].size);
		CU_ASSERT_STRING_EQUAL(load(&rc), rows[i].error);
		CU_ASSERT_EQUAL(rc, -EINVAL);
	}
}

/* "[flx]" and an entry of a name and a value of so many bytes. */
static int load_entry(size_t name_size, size_t value_size, size_t blanks)
{
	char text[1024] = "[flx]\n";
	size_t size = strlen(text);
	int rc;

	memset(text + size, 'n', name_size);
	size += name_size;
	text[size++] = '=';
	memset(text + size, 'v', value_size);
	size += value_size;
	memset(text + size, ' ', blanks);
	size += blanks;
	text[size++] = '\n';
	write_bytes(text, size);
	load(&rc);
	return rc;
}

static void test_config_takes_what_cfgfile_holds_and_no_more(void)
{
	CU_ASSERT_EQUAL(load_entry(63, 255, 0), 0);
	CU_ASSERT_EQUAL(strlen(config.entry[0].name), 63);
	CU_ASSERT_EQUAL(strlen(config.entry[0].value), 255);
	CU_ASSERT_EQUAL(load_entry(64, 1, 0), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, ":2: name too long; give 63 bytes at most"));
	CU_ASSERT_EQUAL(load_entry(1, 256, 0), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, ":2: value too long; give 255 bytes at most"));
	CU_ASSERT_EQUAL(load_entry(1, 1, 317), 0);
	CU_ASSERT_EQUAL(load_entry(1, 1, 318), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, ":2: line too long; give 320 bytes at most"));
}

static void load_repeated(const char *head, const char *line, size_t times, int *rc)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(head, file);
	for (size_t i = 0; i < times; i++)
		fputs(line, file);
	fclose(file);
	load(rc);
}

static void test_config_bounds_the_number_of_entries(void)
{
	int rc;

	load_repeated("[app]\n", "a=b\n", FLX_CONFIG_ENTRIES_MAX, &rc);
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(config.count, FLX_CONFIG_ENTRIES_MAX);
	CU_ASSERT_EQUAL(config.entry[255].place.line, 257);
	load_repeated("[app]\n", "a=b\n", FLX_CONFIG_ENTRIES_MAX + 1, &rc);
	CU_ASSERT_EQUAL(rc, -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, ":258: too many entries; give 256 at most"));
	/* Nesting: 10^6 brackets are a line too long, or a file too large. */
	load_repeated("", "[", 1000, &rc);
	CU_ASSERT_EQUAL(rc, -EINVAL);
	load_repeated("", "[\n", 500000, &rc);
	CU_ASSERT_EQUAL(rc, -EINVAL);
}

static void test_config_bounds_the_size_of_the_file(void)
{
	char text[FLX_CONFIG_SIZE_MAX + 1];
	struct timespec before, after;
	int rc;

	memset(text, '\n', sizeof(text));
	memcpy(text, "[flx]", 5);
	write_bytes(text, FLX_CONFIG_SIZE_MAX);
	load(&rc);
	CU_ASSERT_EQUAL(rc, 0);
	write_bytes(text, FLX_CONFIG_SIZE_MAX + 1);
	CU_ASSERT_STRING_EQUAL(load(&rc), ": larger than 64 KiB; give a configuration file\n");
	CU_ASSERT_EQUAL(rc, -EINVAL);

	/* faults.md 25 */
	CU_ASSERT_EQUAL(truncate(path, 100 << 20), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	CU_ASSERT_STRING_EQUAL(load(&rc), ": larger than 64 KiB; give a configuration file\n");
	clock_gettime(CLOCK_MONOTONIC, &after);
	CU_ASSERT_TRUE(after.tv_sec - before.tv_sec <= 1);
}

static void test_config_refuses_what_is_no_file(void)
{
	char keep[sizeof(path)];
	int rc;

	unlink(path);
	CU_ASSERT_STRING_EQUAL(
		load(&rc),
		": No such file or directory; give a configuration file that can be read\n");
	CU_ASSERT_EQUAL(rc, -ENOENT);
	/* Must not wait for a writer. */
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_STRING_EQUAL(
		load(&rc), ": not a regular file; give a configuration file that can be read\n");
	CU_ASSERT_NOT_EQUAL(rc, 0);
	unlink(path);
	memcpy(keep, path, sizeof(keep));
	snprintf(path, sizeof(path), "%s", directory);
	CU_ASSERT_STRING_EQUAL(load(&rc),
			       ": Is a directory; give a configuration file that can be read\n");
	snprintf(path, sizeof(path), "/dev/zero");
	load(&rc);
	CU_ASSERT_NOT_EQUAL(rc, 0);
	memcpy(path, keep, sizeof(path));
}

/*
 * What passes our checks, rte_cfgfile reads in the same way: flx_config_load stops with a core when
 * the two count different entries, and the sanitizers see what it writes past.
 */
static void test_config_agrees_with_cfgfile_on_mutated_files(void)
{
	static const char seed[] = "[flx]\nport = null # c\n dev=on\n[app]\nkey = all\n";
	static const char alphabet[] = "[]=#;\\ \t\r\n\0ab\xc3\xbc";
	char text[sizeof(seed)];
	uint32_t good = 0;
	int rc;

	srandom(25);
	for (uint32_t round = 0; round < 1000; round++) {
		size_t size = sizeof(seed) - 1;

		memcpy(text, seed, sizeof(seed));
		for (long changes = random() % 3; changes >= 0; changes--)
			text[(size_t)random() % size] =
				alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
		write_bytes(text, size - (size_t)random() % 2);
		load(&rc);
		CU_ASSERT_TRUE((rc == 0) == (capture.text[0] == '\0'));
		good += rc == 0;
	}
	/* Or the seed has gone stale. */
	CU_ASSERT_TRUE(good > 100 && good < 900);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_config_keeps_names_values_and_lines),
		FLX_TEST(test_config_keeps_lines_when_flx_comes_first),
		FLX_TEST(test_config_names_the_line_of_each_fault),
		FLX_TEST(test_config_takes_what_cfgfile_holds_and_no_more),
		FLX_TEST(test_config_bounds_the_number_of_entries),
		FLX_TEST(test_config_bounds_the_size_of_the_file),
		FLX_TEST(test_config_refuses_what_is_no_file),
		FLX_TEST(test_config_agrees_with_cfgfile_on_mutated_files),
		{0},
	};
	int status;

	if (!mkdtemp(directory))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/flx.ini", directory);
	status = flx_test_main("config", tests);
	unlink(path);
	rmdir(directory);
	return status;
}
