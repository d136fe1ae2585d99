/*
 * Makes every single allocation of a piece of work fail in turn. What is being shown: each failure
 * comes back as WARD_ERR_NOMEM, and (under the sanitizers) nothing leaks or is freed twice.
 */
#ifndef ALLOC_TEST_H
#define ALLOC_TEST_H

#include "base/mem.h"

/* Does the work once and cleans up after itself, whether it succeeded or not. */
typedef ward_status alloc_attempt(void *context);

/* The number of allocations of a successful attempt. Fails the test if something else happens. */
static inline unsigned long assert_survives_failing_allocations(alloc_attempt *attempt,
                                                                void *context)
{
    for (unsigned long n = 1;; n++) {
        ward_status st;

        mem_fail_after(n);
        st = attempt(context);
        mem_fail_after(0);
        if (st == WARD_OK)
            return n - 1;
        if (st != WARD_ERR_NOMEM)
            fail_msg("allocation %lu failed: expected WARD_ERR_NOMEM, got %s (%s)", n,
                     ward_status_name(st), ward_error_message());
        if (n == 1000000)
            fail_msg("still failing after %lu allocations", n);
    }
}

#endif
