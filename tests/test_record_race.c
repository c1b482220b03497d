/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers of a record whose owner commits, deletes and gives it to other keys meanwhile. */
#include <pthread.h>

#include "context-store/record.h"
#include "tests/random.h"
#include "tests/test.h"

/* So large that the owner often overtakes a copy: without the second look, most runs tear. */
#define WORDS	 64
#define COMMITS	 300000
#define READS	 100000
#define KEY_SIZE 16

struct race {
	struct flx_record_layout layout;
	struct flx_record *record;
	uint32_t delete_every; /* commits; 0: never */
	atomic_bool done;
	_Atomic uint64_t reads; /* of a committed image: the threads do overlap */
	_Atomic uint64_t torn, backwards;
};

/* What every word of version @version of key @key is; the version is also the stamp. */
static uint64_t word_of(uint64_t key, uint32_t version)
{
	struct flx_random random = {.state = key * 1000003 + version};

	return flx_random_next(&random);
}

static void set_key(uint8_t bytes[KEY_SIZE], uint64_t key)
{
	uint64_t words[2] = {key, ~key};

	memcpy(bytes, words, sizeof(words));
}

/* Every part of a copy proves every other. */
static bool belongs_together(const struct flx_record_layout *layout,
			     const struct flx_record_copy *copy)
{
	uint64_t key[2], word, wanted;

	memcpy(key, copy->key, sizeof(key));
	wanted = word_of(key[0], copy->stamp);
	if (key[1] != ~key[0] || copy->hash != (uint32_t)word_of(key[0], 0))
		return false;
	for (uint32_t i = 0; i < WORDS; i++) {
		memcpy(&word, copy->context + i * sizeof(word), sizeof(word));
		if (word != wanted)
			return false;
	}
	return flx_record_copy_sound(layout, copy);
}

static void *read_until_done(void *argument)
{
	struct race *race = argument;
	struct flx_record_copy copy;
	uint32_t last = 0;

	do {
		if (!flx_record_read(&race->layout, race->record, &copy))
			continue;
		atomic_fetch_add(&race->reads, 1);
		if (!belongs_together(&race->layout, &copy))
			atomic_fetch_add(&race->torn, 1);
		if (copy.stamp < last)
			atomic_fetch_add(&race->backwards, 1);
		last = copy.stamp;
	} while (!atomic_load(&race->done));
	return NULL;
}

static void assign(const struct race *race, uint64_t key)
{
	uint8_t bytes[KEY_SIZE];

	set_key(bytes, key);
	flx_record_assign(&race->layout, race->record, (uint32_t)word_of(key, 0), bytes);
}

static void commit(const struct race *race, uint64_t key, uint32_t version)
{
	uint64_t *words = flx_record_open(&race->layout, race->record);

	for (uint32_t i = 0; i < WORDS; i++)
		words[i] += version % 3 ? 1 : 100; /* wrong for a while */
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = word_of(key, version);
	flx_record_commit(&race->layout, race->record, version);
}

static void test_record_read_sees_what_belongs_together(void)
{
	static const uint32_t delete_every[] = {0, 1, 7, 100};

	for (size_t row = 0; row < sizeof(delete_every) / sizeof(delete_every[0]); row++) {
		struct race race = {.delete_every = delete_every[row]};
		uint64_t key = 1;
		pthread_t reader[2];

		flx_record_layout_init(&race.layout, KEY_SIZE, WORDS * sizeof(uint64_t), 0, NULL);
		race.record = calloc(1, race.layout.stride_bytes);
		CU_ASSERT_PTR_NOT_NULL_FATAL(race.record);
		assign(&race, key);
		for (int r = 0; r < 2; r++)
			CU_ASSERT_EQUAL_FATAL(
				pthread_create(&reader[r], NULL, read_until_done, &race), 0);
		for (uint32_t version = 1; version <= COMMITS || atomic_load(&race.reads) < READS;
		     version++) {
			commit(&race, key, version);
			if (!race.delete_every || version % race.delete_every)
				continue;
			flx_record_delete(race.record);
			assign(&race, ++key);
		}
		atomic_store(&race.done, true);
		for (int r = 0; r < 2; r++)
			pthread_join(reader[r], NULL);
		CU_ASSERT_EQUAL(race.torn, 0);
		CU_ASSERT_EQUAL(race.backwards, 0);
		free(race.record);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_record_read_sees_what_belongs_together),
		{0},
	};

	return flx_test_main("record race", tests);
}
