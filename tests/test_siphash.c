/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/siphash.h"
#include "tests/test.h"

/* Key 00 01 .. 0f, messages 00 01 .. of each size: the vectors of the authors' reference code. */
static const uint64_t paper_seed[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static void message(uint8_t *bytes, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)i;
}

static void test_siphash24_gives_the_published_vectors(void)
{
	static const uint64_t expected[16] = {
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
		0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
		0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
		0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
	};
	uint8_t bytes[16];

	message(bytes, sizeof(bytes));
	for (uint32_t size = 0; size < 16; size++)
		CU_ASSERT_EQUAL(flx_siphash(2, 4, paper_seed, bytes, size), expected[size]);
}

/* CPython 3.11 hashes bytes with SipHash-1-3 under seed 0: PYTHONHASHSEED=0, hash(bytes(range(n))).
 */
static void test_siphash13_gives_what_cpython_gives(void)
{
	static const struct {
		uint32_t size;
		uint64_t expected;
	} rows[] = {
		{1, 0x68a914128e01e473},  {4, 0x7cc43f98813e4dbd},  {8, 0xead411e67ebe2eea},
		{12, 0xa6baf4fb0f9fe1c2}, {16, 0x8972188433a5c5b7}, {40, 0x95bc321ab41d8206},
	};
	static const uint64_t seed[2] = {0, 0};
	uint8_t bytes[40];

	message(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(flx_siphash13(seed, bytes, rows[i].size), rows[i].expected);
}

static void test_siphash13_depends_on_every_bit_of_seed_and_key(void)
{
	uint64_t seed[2] = {1, 2};
	uint8_t bytes[12] = {0};
	uint64_t before = flx_siphash13(seed, bytes, sizeof(bytes));

	for (uint32_t bit = 0; bit < 128; bit++) {
		seed[bit / 64] ^= 1ull << bit % 64;
		CU_ASSERT_NOT_EQUAL(flx_siphash13(seed, bytes, sizeof(bytes)), before);
		seed[bit / 64] ^= 1ull << bit % 64;
	}
	for (uint32_t bit = 0; bit < 96; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_NOT_EQUAL(flx_siphash13(seed, bytes, sizeof(bytes)), before);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_siphash24_gives_the_published_vectors),
		FLX_TEST(test_siphash13_gives_what_cpython_gives),
		FLX_TEST(test_siphash13_depends_on_every_bit_of_seed_and_key),
		{0},
	};

	return flx_test_main("siphash", tests);
}
