/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test - what every CUnit program of flx shares: one call runs a table of tests and gives main its
 * exit status.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

struct flx_test {
	const char *name;
	void (*run)(void);
};

#define FLX_TEST(function)                                                                         \
	{                                                                                          \
		.name = #function, .run = function                                                 \
	}

/* Runs @tests (ends at a NULL name); returns the exit status: 0 when all ran and none failed. */
static inline int flx_test_main(const char *suite_name, const struct flx_test *tests)
{
	CU_pSuite suite;
	unsigned int failed, ran, wanted = 0;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (; suite && tests[wanted].name; wanted++)
		if (!CU_add_test(suite, tests[wanted].name, tests[wanted].run))
			break;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_tests_failed();
	ran = CU_get_number_of_tests_run();
	CU_cleanup_registry();
	/* A table that did not run in full is a failure, whatever its asserts said. */
	return suite && failed == 0 && ran == wanted && !tests[wanted].name ? EXIT_SUCCESS
									    : EXIT_FAILURE;
}
