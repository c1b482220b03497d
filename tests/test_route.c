/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/route.h"
#include "tests/eal.h"
#include "tests/random.h"
#include "tests/test.h"

static void test_route_spreads_slices_evenly(void)
{
	for (uint32_t workers = 1; workers <= FLX_WORKERS_MAX; workers++) {
		struct flx_routes *routes = flx_routes_alloc(3, workers);

		CU_ASSERT_PTR_NOT_NULL_FATAL(routes);
		CU_ASSERT_EQUAL(routes->group_count, 3);
		for (uint32_t g = 0; g < 3; g++) {
			uint32_t owned[FLX_WORKERS_MAX] = {0};

			for (uint32_t s = 0; s < FLX_SLICES; s++) {
				CU_ASSERT_FATAL(flx_route_owner(&routes->route[g], s) < workers);
				owned[flx_route_owner(&routes->route[g], s)]++;
			}
			for (uint32_t w = 0; w < workers; w++)
				CU_ASSERT(owned[w] == FLX_SLICES / workers ||
					  owned[w] == FLX_SLICES / workers + 1);
		}
		/* As a NIC's indirection table does: bucket i to queue i mod queues. */
		CU_ASSERT_EQUAL(flx_route_owner(&routes->route[2], 511), 511 % workers);
		flx_routes_free(routes);
	}
}

/* Keys of @size bytes that count up in @varying bytes from @offset; returns the fullest slice. */
static uint32_t fullest_slice(uint32_t size, uint32_t offset, uint32_t varying)
{
	uint32_t load[FLX_SLICES] = {0}, most = 0;

	for (uint32_t i = 0; i < 65536; i++) {
		uint8_t key[FLX_KEY_MAX] = {10, 0, 0, 1};
		uint16_t slice;

		/* Network byte order: the low byte is the last. */
		for (uint32_t b = 0; b < varying; b++)
			key[offset + varying - 1 - b] = (uint8_t)(i >> (8 * b));
		slice = flx_slice_of_key(key, size);
		CU_ASSERT_FATAL(slice < FLX_SLICES);
		if (++load[slice] > most)
			most = load[slice];
	}
	return most;
}

static void test_route_hash_spreads_keys_that_count_up(void)
{
	/* 128 per slice is even; a fair hash stays below 128 + 5 sqrt(128) = 185. */
	for (uint32_t size = 2; size <= FLX_KEY_MAX; size++)
		for (uint32_t offset = 0; offset + 2 <= size; offset++)
			CU_ASSERT(fullest_slice(size, offset, 2) <= 256);
}

static void test_route_hash_depends_on_every_byte_and_the_size(void)
{
	struct flx_random random = {.state = 5};

	for (uint32_t size = 1; size <= FLX_KEY_MAX; size++) {
		for (uint32_t byte = 0; byte < size; byte++) {
			uint32_t changed = 0;

			for (uint32_t trial = 0; trial < 200; trial++) {
				uint8_t key[FLX_KEY_MAX];
				uint16_t before;

				for (uint32_t b = 0; b < sizeof(key); b++)
					key[b] = (uint8_t)flx_random_next(&random);
				before = flx_slice_of_key(key, size);
				CU_ASSERT_EQUAL(before, flx_slice_of_key(key, size));
				key[byte] ^= (uint8_t)flx_random_between(&random, 1, 255);
				changed += flx_slice_of_key(key, size) != before;
			}
			CU_ASSERT(changed >= 180); /* 511 of 512 were perfect */
		}
	}
}

/* A key is read to its end and no further: the bytes behind it are not there under ASan. */
static void test_route_hash_reads_no_byte_beyond_the_key(void)
{
	for (uint32_t size = 1; size <= FLX_KEY_MAX; size++) {
		uint8_t *key = malloc(size);
		uint8_t padded[FLX_KEY_MAX];

		CU_ASSERT_PTR_NOT_NULL_FATAL(key);
		memset(key, (int)size, size);
		memset(padded, 0xee, sizeof(padded));
		memcpy(padded, key, size);
		CU_ASSERT_EQUAL(flx_slice_of_key(key, size), flx_slice_of_key(padded, size));
		free(key);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_route_spreads_slices_evenly),
		FLX_TEST(test_route_hash_spreads_keys_that_count_up),
		FLX_TEST(test_route_hash_depends_on_every_byte_and_the_size),
		FLX_TEST(test_route_hash_reads_no_byte_beyond_the_key),
		{0},
	};

	return flx_test_eal() ? EXIT_FAILURE : flx_test_main("route", tests);
}
