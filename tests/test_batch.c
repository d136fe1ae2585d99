/* Splits, the order of samples, crops and flips, and the loader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "alloc_test.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/batch.h"
#include "data/dataset.h"

/*
 * A data set made by hand: COUNT training images of 2 channels, stored 5x4 and fed 3x2, with values
 * from -1 to 1. A pixel's byte says where it is; the label is the image's number.
 */
enum { COUNT = 50, C = 2, SH = 5, SW = 4, H = 3, W = 2, STORED = C * SH * SW, INPUT = C * H * W };

static struct ward_dataset data = {.info = {.classes = COUNT,
                                            .train_count = COUNT,
                                            .test_count = COUNT,
                                            .input = {C, H, W, SH, SW, -1.0f, 1.0f}}};

static int enter(void **state)
{
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        if (part_new(&data.part[p], &data.info.input, COUNT))
            return -1;
        for (size_t i = 0; i < COUNT * STORED; i++)
            data.part[p].pixels[i] = (uint8_t)(p * 128 + i % STORED);
        for (size_t i = 0; i < COUNT; i++)
            data.part[p].labels[i] = (uint16_t)i;
    }
    for (int i = 0; i < 256; i++)
        data.value[i] = (float)i;
    return 0;
}

static int leave(void **state)
{
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        mem_free(data.part[p].pixels);
        mem_free(data.part[p].labels);
    }
    return 0;
}

static void check_ok(ward_status st)
{
    if (st)
        fail_msg("%s: %s", ward_status_name(st), ward_error_message());
}

/* Whether x is the stored image (all are alike) cut at top, left. */
static bool is_cut(const float *x, unsigned top, unsigned left, bool flip)
{
    for (unsigned c = 0; c < C; c++)
        for (unsigned h = 0; h < H; h++)
            for (unsigned w = 0; w < W; w++) {
                unsigned from = flip ? W - 1 - w : w;

                if (x[(c * H + h) * W + w] != (float)((c * SH + top + h) * SW + left + from))
                    return false;
            }
    return true;
}

static void held_out_images_and_the_rest_make_up_the_training_set(void **state)
{
    (void)state;
    for (size_t held_out = 1; held_out < COUNT; held_out += 7) {
        struct split train, validation, again;
        unsigned seen[COUNT] = {0};

        check_ok(split_init(&train, &data, WARD_SPLIT_TRAIN, 3, held_out));
        check_ok(split_init(&validation, &data, WARD_SPLIT_VALIDATION, 3, held_out));
        check_ok(split_init(&again, &data, WARD_SPLIT_VALIDATION, 3, held_out));
        assert_int_equal(train.count, COUNT - held_out);
        assert_int_equal(validation.count, held_out);
        assert_memory_equal(validation.index, again.index, held_out * sizeof *again.index);
        for (size_t i = 0; i < train.count; i++)
            seen[train.index[i]]++;
        for (size_t i = 0; i < held_out; i++)
            seen[validation.index[i]]++;
        for (size_t i = 0; i < COUNT; i++)
            assert_int_equal(seen[i], 1);
        split_release(&train);
        split_release(&validation);
        split_release(&again);
    }
}

static void shares_are_disjoint_and_make_up_the_training_set(void **state)
{
    static const uint32_t counts[] = {
        [SHARE_OWNER] = COUNT - COUNT / 4 - COUNT / 10,
        [SHARE_POOL] = COUNT / 4,
        [SHARE_CHOICE] = COUNT / 10,
    };
    unsigned seen[COUNT] = {0};

    (void)state;
    for (int share = SHARE_OWNER; share <= SHARE_CHOICE; share++) {
        struct split split, again, other;

        check_ok(split_share(&split, &data, (enum share)share, 3));
        check_ok(split_share(&again, &data, (enum share)share, 3));
        check_ok(split_share(&other, &data, (enum share)share, 4));
        assert_int_equal(split.count, counts[share]);
        assert_memory_equal(split.index, again.index, split.count * sizeof *split.index);
        assert_memory_not_equal(split.index, other.index, split.count * sizeof *split.index);
        for (size_t i = 0; i < split.count; i++) {
            assert_true(i == 0 || split.index[i - 1] < split.index[i]);
            seen[split.index[i]]++;
        }
        split_release(&split);
        split_release(&again);
        split_release(&other);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
}

static void another_seed_holds_out_other_images(void **state)
{
    struct split a, b;

    (void)state;
    check_ok(split_init(&a, &data, WARD_SPLIT_VALIDATION, 1, 20));
    check_ok(split_init(&b, &data, WARD_SPLIT_VALIDATION, 2, 20));
    assert_memory_not_equal(a.index, b.index, 20 * sizeof *a.index);
    split_release(&a);
    split_release(&b);
}

static void splits_that_cannot_be_made_are_refused(void **state)
{
    struct split split = {.count = 7};

    (void)state;
    assert_int_equal(split_init(&split, &data, WARD_SPLIT_TRAIN, 1, COUNT), WARD_ERR_ARG);
    assert_int_equal(split_init(&split, &data, WARD_SPLIT_VALIDATION, 1, 0), WARD_ERR_ARG);
    assert_int_equal(split.count, 7);
    check_ok(split_init(&split, &data, WARD_SPLIT_TEST, 1, COUNT));
    assert_int_equal(split.count, COUNT);
    split_release(&split);
}

static void reading_takes_the_centre_in_order(void **state)
{
    float x[4 * INPUT];
    struct split split;
    int32_t y[4];

    (void)state;
    check_ok(split_init(&split, &data, WARD_SPLIT_TRAIN, 1, 0));
    check_ok(batch_read(&split, 3, 4, x, y));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(y[i], 3 + i);
        assert_true(is_cut(x + i * INPUT, 1, 1, false));
    }
    assert_int_equal(batch_read(&split, COUNT - 3, 4, x, y), WARD_ERR_ARG);
    split_release(&split);
}

static void every_epoch_is_a_permutation_whatever_the_batch(void **state)
{
    struct split split;

    (void)state;
    check_ok(split_init(&split, &data, WARD_SPLIT_TRAIN, 9, 13));
    for (uint32_t batch = 1; batch <= 100; batch += 11) {
        struct batch_source source = {&split, 5, batch, true, true};
        uint32_t epochs = 3, rows = epochs * split.count;
        uint32_t steps = (rows + batch - 1) / batch;
        struct epoch_order order;
        unsigned seen[3][COUNT] = {{0}};
        float x[100 * INPUT];
        int32_t y[100];

        check_ok(epoch_order_init(&order, &split));
        for (uint32_t step = 0; step < steps; step++) {
            batch_make(&source, &order, step, x, y);
            for (uint32_t row = 0; row < batch && step * batch + row < rows; row++)
                seen[(step * batch + row) / split.count][y[row]]++;
        }
        for (uint32_t e = 0; e < epochs; e++)
            for (uint32_t i = 0; i < split.count; i++)
                assert_int_equal(seen[e][split.index[i]], 1);
        epoch_order_release(&order);
    }
    split_release(&split);
}

static void a_batch_depends_on_seed_and_step_alone(void **state)
{
    float x[20 * INPUT], again[20 * INPUT];
    struct epoch_order order, fresh;
    struct split split;
    int32_t y[20], y_again[20];

    (void)state;
    check_ok(split_init(&split, &data, WARD_SPLIT_TRAIN, 1, 0));
    check_ok(epoch_order_init(&order, &split));
    for (uint64_t step = 40; step-- > 0;) {
        struct batch_source source = {&split, 5, 20, true, true};

        batch_make(&source, &order, step, x, y);
        check_ok(epoch_order_init(&fresh, &split));
        batch_make(&source, &fresh, step, again, y_again);
        epoch_order_release(&fresh);
        assert_memory_equal(x, again, sizeof x);
        assert_memory_equal(y, y_again, sizeof y);
        source.seed = 6;
        check_ok(epoch_order_init(&fresh, &split));
        batch_make(&source, &fresh, step, again, y_again);
        epoch_order_release(&fresh);
        assert_memory_not_equal(y, y_again, sizeof y);
    }
    epoch_order_release(&order);
    split_release(&split);
}

/* Counts the crops and flips of 2,000 rows. */
static void count_cuts(bool crop, bool flip, unsigned counts[SH - H + 1][SW - W + 1][2])
{
    struct split split;
    struct batch_source source = {&split, 8, 40, crop, flip};
    struct epoch_order order;
    float x[40 * INPUT];
    int32_t y[40];

    memset(counts, 0, sizeof(unsigned[SH - H + 1][SW - W + 1][2]));
    check_ok(split_init(&split, &data, WARD_SPLIT_TRAIN, 1, 0));
    check_ok(epoch_order_init(&order, &split));
    for (uint64_t step = 0; step < 50; step++) {
        batch_make(&source, &order, step, x, y);
        for (unsigned row = 0; row < 40; row++)
            for (unsigned top = 0; top <= SH - H; top++)
                for (unsigned left = 0; left <= SW - W; left++)
                    for (unsigned f = 0; f < 2; f++)
                        counts[top][left][f] += is_cut(x + row * INPUT, top, left, f);
    }
    epoch_order_release(&order);
    split_release(&split);
}

static void every_crop_and_flip_comes_up_equally_often(void **state)
{
    unsigned counts[SH - H + 1][SW - W + 1][2];

    (void)state;
    count_cuts(true, true, counts);
    /* 2000 / 18 = 111 of each expected, standard deviation 10: within five. */
    for (unsigned top = 0; top <= SH - H; top++)
        for (unsigned left = 0; left <= SW - W; left++)
            for (unsigned f = 0; f < 2; f++)
                assert_in_range(counts[top][left][f], 61, 161);
    count_cuts(false, true, counts);
    assert_int_equal(counts[1][1][0] + counts[1][1][1], 2000);
    assert_in_range(counts[1][1][1], 888, 1112);
    count_cuts(true, false, counts);
    for (unsigned top = 0; top <= SH - H; top++)
        for (unsigned left = 0; left <= SW - W; left++)
            assert_int_equal(counts[top][left][1], 0);
    count_cuts(false, false, counts);
    assert_int_equal(counts[1][1][0], 2000);
}

static void a_picture_is_prepared_as_the_data_set_reads_it(void **state)
{
    const ward_input *in = &data.info.input;
    uint8_t pixels[STORED];
    ward_image image = {SW, SH, C, pixels}, small = {W, H, C, pixels}, odd = {SW, H, C, pixels};
    float x[INPUT];

    (void)state;
    for (unsigned i = 0; i < SH * SW; i++)
        for (unsigned c = 0; c < C; c++)
            pixels[i * C + c] = (uint8_t)(c * SH * SW + i);
    check_ok(ward_input_prepare(in, &image, x));
    for (size_t i = 0; i < INPUT; i++)
        x[i] = (x[i] + 1.0f) * 127.5f + 0.001f;
    for (size_t i = 0; i < INPUT; i++)
        x[i] = (float)(int)x[i];
    assert_true(is_cut(x, 1, 1, false));
    check_ok(ward_input_prepare(in, &small, x));
    assert_float_equal(x[0], -1.0f, 1e-6);
    assert_int_equal(ward_input_prepare(in, &odd, x), WARD_ERR_ARG);
    image.channels = 1;
    assert_int_equal(ward_input_prepare(in, &image, x), WARD_ERR_ARG);
    assert_non_null(strstr(ward_error_message(), "4x5 pixels and 1 channel,"));
}

static void the_loader_makes_the_same_batches(void **state)
{
    struct split split;
    struct batch_source source = {&split, 5, 17, true, true};
    struct epoch_order order;
    float x[17 * INPUT];
    int32_t y[17];

    (void)state;
    check_ok(split_init(&split, &data, WARD_SPLIT_TRAIN, 1, 10));
    check_ok(epoch_order_init(&order, &split));
    for (uint64_t first = 0; first < 300; first += 123) {
        struct loader *loader;

        check_ok(loader_open(&loader, &source, first));
        for (uint64_t step = first; step < first + 200; step++) {
            const int32_t *ahead_y;
            const float *ahead_x;

            loader_next(loader, &ahead_x, &ahead_y);
            batch_make(&source, &order, step, x, y);
            assert_int_equal((uintptr_t)ahead_x % 64, 0);
            assert_memory_equal(ahead_x, x, sizeof x);
            assert_memory_equal(ahead_y, y, sizeof y);
        }
        loader_close(loader);
    }
    epoch_order_release(&order);
    split_release(&split);
}

static void the_loader_stops_at_any_time(void **state)
{
    struct split split;
    struct batch_source source = {&split, 5, 3, true, true};

    (void)state;
    check_ok(split_init(&split, &data, WARD_SPLIT_TRAIN, 1, 0));
    for (unsigned i = 0; i < 300; i++) {
        struct loader *loader;
        const int32_t *y;
        const float *x;

        check_ok(loader_open(&loader, &source, i));
        for (unsigned taken = 0; taken < i % 5; taken++)
            loader_next(loader, &x, &y);
        loader_close(loader);
    }
    loader_close(NULL);
    split_release(&split);
}

static ward_status split_and_load(void *context)
{
    struct split split = {.data = NULL};
    struct batch_source source = {&split, 5, 3, true, true};
    struct loader *loader = NULL;
    ward_status st;

    (void)context;
    st = split_init(&split, &data, WARD_SPLIT_TRAIN, 1, 10);
    if (!st)
        st = loader_open(&loader, &source, 0);
    loader_close(loader);
    split_release(&split);
    return st;
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    assert_survives_failing_allocations(split_and_load, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_out_images_and_the_rest_make_up_the_training_set),
        cmocka_unit_test(shares_are_disjoint_and_make_up_the_training_set),
        cmocka_unit_test(another_seed_holds_out_other_images),
        cmocka_unit_test(splits_that_cannot_be_made_are_refused),
        cmocka_unit_test(reading_takes_the_centre_in_order),
        cmocka_unit_test(every_epoch_is_a_permutation_whatever_the_batch),
        cmocka_unit_test(a_batch_depends_on_seed_and_step_alone),
        cmocka_unit_test(every_crop_and_flip_comes_up_equally_often),
        cmocka_unit_test(a_picture_is_prepared_as_the_data_set_reads_it),
        cmocka_unit_test(the_loader_makes_the_same_batches),
        cmocka_unit_test(the_loader_stops_at_any_time),
        cmocka_unit_test(any_allocation_may_fail)};

    return cmocka_run_group_tests(tests, enter, leave);
}
