/* Pieces of work side by side: which worker makes what, and what ends them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attack/crew.h"
#include "base/util.h"

enum { PIECES = 6, WORKERS = 2, NONE = PIECES };

static const double patience = 30; /* seconds, after which two workers do not meet any more */

/* All pieces but the first wait for it; the last two are made at the same time, or not at all. */
struct job {
    bool is_taken[PIECES], is_made[PIECES];
    size_t fails, stops_after; /* which piece fails; pieces after which it is stopped */
    size_t made, saved;        /* pieces */
    atomic_size_t asked, met;  /* for a piece; for the last two */
};

struct piece {
    size_t at;
};

static bool take(void *context, void *item)
{
    struct job *job = context;
    struct piece *piece = item;

    atomic_fetch_add(&job->asked, 1);
    assert_int_equal(piece->at, 0);
    for (size_t i = 0; i < PIECES; i++)
        if (!job->is_taken[i] && (i == 0 || job->is_made[0])) {
            job->is_taken[i] = true;
            piece->at = i;
            return true;
        }
    return false;
}

static ward_status wait_for(const atomic_size_t *count, size_t enough)
{
    double start = clock_seconds();

    while (atomic_load(count) < enough)
        if (clock_seconds() - start > patience)
            return ward_fail(WARD_ERR_IO, "nobody came");
    return WARD_OK;
}

static ward_status wait_for_stop(const atomic_bool *is_stopping)
{
    double start = clock_seconds();

    while (!atomic_load(is_stopping))
        if (clock_seconds() - start > patience)
            return ward_fail(WARD_ERR_IO, "nobody stopped it");
    return ward_fail(WARD_ERR_STOPPED, "stopped");
}

static ward_status make(void *context, void *item, const atomic_bool *is_stopping)
{
    struct job *job = context;
    const struct piece *piece = item;

    if (piece->at == job->fails)
        return ward_fail(WARD_ERR_NUMERIC, "piece %zu", piece->at);
    if (piece->at >= job->stops_after)
        return wait_for_stop(is_stopping);
    if (piece->at == 0 && job->fails == NONE)
        return wait_for(&job->asked, WORKERS);
    if (piece->at < PIECES - WORKERS)
        return WARD_OK;
    atomic_fetch_add(&job->met, 1);
    return wait_for(&job->met, WORKERS);
}

static ward_status hand_in(void *context, void *item)
{
    struct job *job = context;
    const struct piece *piece = item;

    assert_false(job->is_made[piece->at]);
    job->is_made[piece->at] = true;
    job->made++;
    return WARD_OK;
}

static void drop(void *item)
{
    (void)item;
}

static ward_status save(void *context)
{
    struct job *job = context;

    job->saved = job->made;
    return WARD_OK;
}

static bool report(void *context)
{
    const struct job *job = context;

    return job->made < job->stops_after;
}

static ward_status work(struct job *job, size_t workers)
{
    const struct crew_task task = {.context = job,
                                   .workers = workers,
                                   .threads_each = 1,
                                   .piece_len = sizeof(struct piece),
                                   .take = take,
                                   .make = make,
                                   .hand_in = hand_in,
                                   .drop = drop,
                                   .save = save,
                                   .report = report};

    return crew_work(&task);
}

static void who_has_nothing_to_do_yet_is_there_when_there_is(void **state)
{
    struct job job = {.fails = NONE, .stops_after = SIZE_MAX};

    (void)state;
    assert_int_equal(work(&job, WORKERS), WARD_OK);
    assert_int_equal(job.made, PIECES);
    assert_int_equal(job.saved, PIECES);
    assert_true(atomic_load(&job.met) == WORKERS);
}

static void a_failure_ends_all_of_them_and_is_what_is_told(void **state)
{
    struct job job = {.fails = 0, .stops_after = SIZE_MAX};

    (void)state;
    assert_int_equal(work(&job, WORKERS), WARD_ERR_NUMERIC);
    assert_string_equal(ward_error_message(), "piece 0");
    assert_int_equal(job.made, 0);

    job = (struct job){.fails = 1, .stops_after = SIZE_MAX};
    assert_int_equal(work(&job, 1), WARD_ERR_NUMERIC);
    assert_int_equal(job.made, 1);
    assert_int_equal(job.saved, 1);
}

static void a_stop_leaves_the_rest_undone_and_what_is_done_saved(void **state)
{
    struct job job = {.fails = NONE, .stops_after = 1};

    (void)state;
    assert_int_equal(work(&job, WORKERS), WARD_ERR_STOPPED);
    assert_int_equal(job.made, 1);
    assert_int_equal(job.saved, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_nothing_to_do_yet_is_there_when_there_is),
        cmocka_unit_test(a_failure_ends_all_of_them_and_is_what_is_told),
        cmocka_unit_test(a_stop_leaves_the_rest_undone_and_what_is_done_saved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
