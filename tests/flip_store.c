/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flip_store - damages the files of a store, many times, and looks what becomes of its contexts.
 *
 *	flip_store SEED COUNT
 *
 * Every time the files are what a kill has left, but for one damage: a byte, several, a page of
 * zeroes, another length, two files exchanged. Then the store is viewed, opened, attached, read and
 * used. Three outcomes are good: it is refused, and the files are as they were; records are in
 * quarantine and counted, and all other contexts are there; all contexts are there. Which it must be
 * is known of some. Prints how many there were of each; status 0: no other one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context-store/file.h"
#include "tests/flip.h"

#define NODES	  2
#define PAGE	  4096
#define STORE_AGE 2000 /* damages until another store is made */

enum damage {
	HEADER,
	WORDS,
	TIME, /* of the state words: clock, time limits */
	RECORD_WORD,
	RECORD_HEAD, /* hash, stamps, key */
	RECORD_IMAGES,
	NEVER_USED, /* records that are there, and that nobody ever had */
	SEVERAL,
	ZEROES,
	LENGTH,
	EXCHANGED,
	DAMAGES
};

static const char *const damage_names[DAMAGES] = {
	"header",	    "state words",  "words of time",   "word of a record",
	"hash, stamp, key", "images",	    "record not used", "several bytes",
	"page of zeroes",   "other length", "exchanged"};

/* A node's file, as the kill has left it. */
struct image {
	char path[64];
	uint8_t *bytes; /* what was used of it, and holes */
	uint8_t *file;	/* mapped */
	uint64_t size_bytes;
};

static char directory[48];
static struct image images[NODES];
static uint32_t node_count;
static uint32_t type_hit; /* whose record was damaged last */
static uint64_t outcomes[DAMAGES][FLIP_OUTCOMES];

struct flx_random flip_random;
char flip_what[160] = "as it is";

void flip_fail(const char *format, ...)
{
	va_list list;

	fprintf(stderr, "flip_store: %s: ", flip_what);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	_exit(EXIT_FAILURE);
}

static void remove_store(void)
{
	static const char *const names[] = {"lock", "node0", "node1", "node0.next", "node1.next"};
	char name[96];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", directory, names[i]);
		unlink(name);
	}
	rmdir(directory);
}

static void load_image(struct image *image, uint32_t node)
{
	struct stat facts;
	int fd;

	if (image->bytes)
		munmap(image->bytes, image->size_bytes);
	if (image->file)
		munmap(image->file, image->size_bytes);
	snprintf(image->path, sizeof(image->path), "%s/node%u", directory, node);
	fd = open(image->path, O_RDWR);
	if (fd < 0 || fstat(fd, &facts) < 0)
		flip_fail("%s: %s", image->path, strerror(errno));
	image->size_bytes = (uint64_t)facts.st_size;
	image->bytes = mmap(NULL, image->size_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	image->file = mmap(NULL, image->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (image->bytes == MAP_FAILED || image->file == MAP_FAILED)
		flip_fail("no memory");
	close(fd);
}

/* ------------------------------------------------------------------------------------- the files */

/* Calls @each with every part of a file that was used; false as soon as one says so. */
static bool for_parts(const struct image *image, bool (*each)(uint8_t *, uint8_t *, size_t))
{
	const struct flx_file_header *header = (const void *)image->bytes;
	size_t head = FLX_FILE_STATE_OFFSET + sizeof(struct flx_file_state);
	bool going = each(image->bytes, image->file, head);

	for (uint32_t i = 0; i < FLIP_TYPES && going; i++)
		going = each(image->bytes + header->type[i].offset,
			     image->file + header->type[i].offset,
			     (size_t)header->type[i].limit * header->type[i].stride_bytes);
	return going;
}

static bool keep_part(uint8_t *bytes, uint8_t *file, size_t size)
{
	memcpy(bytes, file, size);
	return true;
}

static bool restore_part(uint8_t *bytes, uint8_t *file, size_t size)
{
	memcpy(file, bytes, size);
	return true;
}

static void make_store(void)
{
	remove_store();
	node_count = flx_random_between(&flip_random, 1, NODES);
	flip_make(directory, node_count);
	for (uint32_t n = 0; n < node_count; n++) {
		load_image(&images[n], n);
		memcpy(images[n].bytes, images[n].file, sizeof(struct flx_file_header));
		for_parts(&images[n], keep_part);
	}
}

static void restore(void)
{
	for (uint32_t n = 0; n < node_count; n++) {
		if (truncate(images[n].path, (off_t)images[n].size_bytes) < 0)
			flip_fail("%s", strerror(errno));
		for_parts(&images[n], restore_part);
	}
}

/* ------------------------------------------------------------------------------------- the damage */

/* One byte to be damaged: where @damage says, on node @n. */
static uint64_t choose_byte(enum damage damage, uint32_t n)
{
	const struct flx_file_header *header = (const void *)images[n].bytes;
	const struct flx_file_state *state =
		(const void *)(images[n].bytes + FLX_FILE_STATE_OFFSET);
	const struct flx_file_type *type =
		&header->type[flx_random_below(&flip_random, FLIP_TYPES)];
	uint32_t index = (uint32_t)(type - header->type), bump, ready, number, at;

	if (damage == HEADER)
		return flx_random_below(&flip_random,
					flx_random_chance(&flip_random, 80)
						? offsetof(struct flx_file_header, type) +
							  (FLIP_TYPES + 1) * sizeof(*type)
						: FLX_FILE_STATE_OFFSET);
	if (damage == WORDS)
		return FLX_FILE_STATE_OFFSET +
		       flx_random_below(&flip_random, FLIP_TYPES + 2) * FLX_CACHE_LINE +
		       flx_random_below(&flip_random, flx_random_chance(&flip_random, 80)
							      ? FLX_FILE_TYPE_WORDS * 8
							      : FLX_CACHE_LINE);
	if (damage == TIME) {
		uint32_t word = flx_random_below(&flip_random, FLX_FILE_CLOCKS + FLIP_TYPES);
		uint64_t line = word < FLX_FILE_CLOCKS ? 0 : word - FLX_FILE_CLOCKS + 1;

		at = word < FLX_FILE_CLOCKS ? word : FLX_FILE_TTL;
		return FLX_FILE_STATE_OFFSET + line * FLX_CACHE_LINE + at * sizeof(uint64_t) +
		       flx_random_below(&flip_random, sizeof(uint64_t));
	}
	type_hit = index;
	bump = (uint32_t)state->type[index].word[FLX_FILE_BUMP];
	ready = (uint32_t)state->type[index].word[FLX_FILE_READY];
	if (damage == NEVER_USED && bump == ready)
		return choose_byte(damage, n);
	if (damage != NEVER_USED && bump == 0)
		return choose_byte(damage, n);
	number = damage == NEVER_USED ? flx_random_between(&flip_random, bump, ready - 1)
				      : flx_random_below(&flip_random, bump);
	if (damage == RECORD_WORD || (damage == NEVER_USED && flx_random_chance(&flip_random, 50)))
		at = flx_random_below(&flip_random, sizeof(uint64_t));
	else if (damage == RECORD_HEAD)
		at = flx_random_between(&flip_random, sizeof(uint64_t),
					FLX_RECORD_KEY_OFFSET + type->key_size);
	else
		at = flx_random_below(&flip_random, type->stride_bytes);
	return type->offset + (uint64_t)number * type->stride_bytes + at;
}

static void flip(enum damage damage, uint32_t n)
{
	uint64_t at = choose_byte(damage, n);
	uint8_t change = (uint8_t)flx_random_between(&flip_random, 1, 255);

	images[n].file[at] ^= change;
	snprintf(flip_what, sizeof(flip_what), "%s: node%u byte %" PRIu64 " xor 0x%x",
		 damage_names[damage], n, at, change);
}

static void flip_several(uint32_t n)
{
	uint32_t count = flx_random_between(&flip_random, 2, 8);

	for (uint32_t i = 0; i < count; i++)
		flip(flx_random_between(&flip_random, RECORD_WORD, NEVER_USED), n);
	snprintf(flip_what, sizeof(flip_what), "%u bytes of records of node%u", count, n);
}

static void zero_page(uint32_t n)
{
	uint64_t page = choose_byte(flx_random_below(&flip_random, SEVERAL), n) / PAGE * PAGE;

	memset(images[n].file + page, 0, PAGE);
	snprintf(flip_what, sizeof(flip_what), "zeroes at byte %" PRIu64 " of node%u", page, n);
}

static void change_length(uint32_t n)
{
	uint64_t size = flx_random_chance(&flip_random, 50)
				? images[n].size_bytes + 1 + flx_random_below(&flip_random, 1 << 22)
				: flx_random_below(&flip_random, (uint32_t)images[n].size_bytes);

	if (truncate(images[n].path, (off_t)size) < 0)
		flip_fail("%s", strerror(errno));
	snprintf(flip_what, sizeof(flip_what), "node%u of %" PRIu64 " bytes", n, size);
}

static void exchange(void)
{
	char aside[64];

	snprintf(aside, sizeof(aside), "%s/aside", directory);
	rename(images[0].path, aside);
	rename(images[1].path, images[0].path);
	rename(aside, images[1].path);
	snprintf(flip_what, sizeof(flip_what), "node0 and node1 exchanged");
}

static enum damage make_damage(void)
{
	/* Most are of one byte in what changes all the time. */
	enum damage damage = flx_random_chance(&flip_random, 30)
				     ? RECORD_WORD + flx_random_below(&flip_random, 3)
				     : flx_random_below(&flip_random, DAMAGES);
	uint32_t n = flx_random_below(&flip_random, node_count);

	if (damage == EXCHANGED && node_count == 1)
		damage = HEADER;
	if (damage < SEVERAL)
		flip(damage, n);
	else if (damage == SEVERAL)
		flip_several(n);
	else if (damage == ZEROES)
		zero_page(n);
	else if (damage == LENGTH)
		change_length(n);
	else
		exchange();
	return damage;
}

/* ---------------------------------------------------------------------------------- what comes of it */

static uint64_t digest_of; /* of what for_parts passes over */

static bool digest_part(uint8_t *bytes, uint8_t *file, size_t size)
{
	(void)bytes;
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word;

		memcpy(&word, file + i, size - i < 8 ? size - i : 8);
		digest_of = flx_random_next(&(struct flx_random){digest_of ^ word});
	}
	return true;
}

/* Of all files; lengths included. Bytes beyond an end that was cut off are not there to be read. */
static uint64_t digest(void)
{
	digest_of = 0;
	for (uint32_t n = 0; n < node_count; n++) {
		struct stat facts;

		if (stat(images[n].path, &facts) < 0)
			flip_fail("%s: %s", images[n].path, strerror(errno));
		digest_of ^= (uint64_t)facts.st_size;
		if ((uint64_t)facts.st_size >= images[n].size_bytes)
			for_parts(&images[n], digest_part);
	}
	return digest_of;
}

/* The one context of a type cannot be left out; time is not worth a refusal. */
static void check_outcome(enum damage damage, enum flip_outcome outcome)
{
	if (damage == RECORD_WORD &&
	    outcome != (type_hit == FLIP_SINGLE ? FLIP_REFUSED : FLIP_QUARANTINED))
		flip_fail("not noticed");
	if ((damage == RECORD_HEAD || damage == RECORD_IMAGES) &&
	    outcome == (type_hit == FLIP_SINGLE ? FLIP_QUARANTINED : FLIP_REFUSED))
		flip_fail("%s", type_hit == FLIP_SINGLE ? "left out" : "refused");
	if ((damage == LENGTH || damage == EXCHANGED) && outcome != FLIP_REFUSED)
		flip_fail("not refused");
	if (damage == TIME && outcome != FLIP_HARMLESS)
		flip_fail("not harmless");
}

static void look(enum damage damage)
{
	uint64_t before = digest();
	enum flip_outcome outcome = flip_look();

	if (outcome == FLIP_REFUSED && digest() != before)
		flip_fail("refused, and the files are changed");
	check_outcome(damage, outcome);
	outcomes[damage][outcome]++;
}

/* Whoever only looks sees what is whole, and counts the rest. */
static void look_beside(enum damage damage)
{
	int64_t damaged = flip_view();

	if (damaged < 0 && damage >= TIME && damage <= SEVERAL)
		flip_fail("not to be viewed");
	if (damage == RECORD_WORD && damaged != 1)
		flip_fail("viewed, and %" PRId64 " counted as damaged", damaged);
}

static void run(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		enum damage damage;

		if (ftruncate(STDERR_FILENO, 0) < 0 || lseek(STDERR_FILENO, 0, SEEK_SET) < 0)
			flip_fail("log: %s", strerror(errno));
		if (i % STORE_AGE == 0)
			make_store();
		damage = make_damage();
		if (damage == TIME || i % 4 == 0)
			look_beside(damage);
		look(damage);
		if (damage == EXCHANGED)
			exchange();
		restore();
	}
	printf("%-18s%12s%12s%12s\n", "damage", "refused", "quarantined", "harmless");
	for (uint32_t d = 0; d < DAMAGES; d++)
		printf("%-18s%12" PRIu64 "%12" PRIu64 "%12" PRIu64 "\n", damage_names[d],
		       outcomes[d][FLIP_REFUSED], outcomes[d][FLIP_QUARANTINED],
		       outcomes[d][FLIP_HARMLESS]);
	remove_store();
}

/* In a process of its own, so that what the store has to say is shown only when something failed. */
int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
	FILE *log = tmpfile();
	char line[512];
	int status = 0;
	pid_t child;

	flip_random.state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	snprintf(directory, sizeof(directory), "/dev/shm/flx-flip-%d", (int)getpid());
	child = log ? fork() : -1;
	if (child == 0) {
		dup2(fileno(log), STDERR_FILENO);
		run(count);
		exit(EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
		for (rewind(log); fgets(line, sizeof(line), log);)
			fputs(line, stderr);
		fprintf(stderr, "flip_store: status 0x%x, the files are left in %s\n",
			(unsigned int)status, directory);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
