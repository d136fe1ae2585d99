/* Wrong keys: what they share with the right one, and what the images of a batch get. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "base/util.h"
#include "keyed_fixture.h"
#include "protect/wrong_key.h"

/* The share of entries that are the right key's. */
static double share_right(const struct transform *t, const struct tensor_list *wrong,
                          const char *name, size_t len)
{
    const float *a = table_of(&t->params, KEY_PREFIX, name);
    const float *b = table_of(wrong, WRONG_PREFIX, name);
    size_t same = 0;

    for (size_t i = 0; i < len; i++)
        same += memcmp(&a[i], &b[i], sizeof(float)) == 0;
    return (double)same / (double)len;
}

static bool differ(const struct tensor *a, const struct tensor *b)
{
    assert_true(shape_equal(&a->shape, &b->shape));
    return memcmp(a->data, b->data, shape_count(&a->shape) * sizeof *a->data) != 0;
}

static void wrong_keys_are_random_ones_and_near_misses(void **state)
{
    enum { STEPS = 200 };
    struct transform_spec spec = full();
    struct transform t = transform_of(&spec);
    size_t random = 0, near[3] = {0};

    (void)state;
    for (uint64_t step = 0; step < STEPS; step++) {
        struct tensor_list wrong = {NULL, 0};
        double orders = 0;

        assert_int_equal(wrong_key_draw(&wrong, &t, 1, step), WARD_OK);
        assert_int_equal(wrong.count, t.params.count);
        for (int round = 1; round <= 4; round++) {
            char name[24];

            snprintf(name, sizeof name, "order%d", round);
            orders += share_right(&t, &wrong, name, VALUES) / 4;
        }
        random += orders < 0.1;
        for (size_t i = 0; i < 3; i++)
            near[i] += fabs(orders - 0.25 * (double)(i + 1)) < 0.12;
        tensor_list_release(&wrong);
    }
    assert_in_range(random, STEPS * 2 / 5, STEPS * 3 / 5);
    assert_int_equal(random + near[0] + near[1] + near[2], STEPS);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(near[i], STEPS / 12, STEPS / 4);
    transform_release(&t);
}

static void a_key_of_a_share_is_right_in_that_share_and_none_that_was_trained_against(void **state)
{
    static const double shares[] = {0, 0.5, 0.9, 1};
    struct transform_spec spec = full();
    struct transform t = transform_of(&spec);
    struct tensor_list trained = {NULL, 0};

    (void)state;
    assert_int_equal(wrong_key_draw(&trained, &t, 1, 0), WARD_OK);
    for (size_t i = 0; i < 4; i++) {
        struct tensor_list a = {NULL, 0}, b = {NULL, 0}, erased = {NULL, 0};
        double right = 0;

        assert_int_equal(wrong_key_of_share(&a, &t, (float)shares[i], 1, 0), WARD_OK);
        assert_int_equal(wrong_key_of_share(&b, &t, (float)shares[i], 1, 1), WARD_OK);
        assert_int_equal(wrong_key_to_erase(&erased, &t, 1, 1), WARD_OK);
        for (int round = 1; round <= 4; round++) {
            char name[24];

            snprintf(name, sizeof name, "order%d", round);
            right += share_right(&t, &a, name, VALUES) / 4;
        }
        if (fabs(right - shares[i]) > 0.1)
            fail_msg("%g of the orders are right, expected %g", right, shares[i]);
        for (size_t k = 0; k < a.count; k++) {
            bool is_other = differ(&a.items[k], &b.items[k]);

            assert_int_equal(is_other, shares[i] < 1 && !is_bias(&a.items[k]));
            assert_int_equal(differ(&a.items[k], &trained.items[k]), !is_bias(&a.items[k]));
            assert_int_equal(differ(&b.items[k], &erased.items[k]), !is_bias(&a.items[k]));
        }
        tensor_list_release(&erased);
        tensor_list_release(&a);
        tensor_list_release(&b);
    }
    tensor_list_release(&trained);
    transform_release(&t);
}

static void a_wrong_key_follows_from_the_public_seed_and_the_step(void **state)
{
    struct transform_spec spec = full();
    struct transform t = transform_of(&spec);
    struct tensor_list a = {NULL, 0}, b = {NULL, 0}, c = {NULL, 0};

    (void)state;
    assert_int_equal(wrong_key_draw(&a, &t, 1, 5), WARD_OK);
    assert_int_equal(wrong_key_draw(&b, &t, 1, 5), WARD_OK);
    assert_int_equal(wrong_key_draw(&c, &t, 1, 6), WARD_OK);
    for (size_t i = 0; i < a.count; i++) {
        assert_false(differ(&a.items[i], &b.items[i]));
        assert_int_equal(differ(&a.items[i], &c.items[i]), !is_bias(&a.items[i]));
    }
    tensor_list_release(&a);
    tensor_list_release(&b);
    tensor_list_release(&c);
    transform_release(&t);
}

static void hash_tables(struct sha256 *sha, struct tensor_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sha256_update(sha, list->items[i].data,
                      shape_count(&list->items[i].shape) * sizeof *list->items[i].data);
    tensor_list_release(list);
}

/* The recommended lock is trained and measured with these: repeating a run needs the same. */
static void wrong_keys_of_a_cascade_are_what_they_were_at_first(void **state)
{
    struct transform_spec spec = bare();
    struct tensor_list wrong = {NULL, 0};
    struct transform t;
    struct sha256 sha;
    uint8_t sum[SHA256_LEN];
    char text[2 * SHA256_LEN + 1];

    (void)state;
    spec.keyed.has_front = true;
    spec.keyed.coordinates = WARD_COORDINATES_CASCADE;
    t = transform_of(&spec);
    sha256_init(&sha);
    for (uint64_t step = 0; step < 20; step++) {
        assert_int_equal(wrong_key_draw(&wrong, &t, 1, step), WARD_OK);
        hash_tables(&sha, &wrong);
    }
    for (uint64_t number = 1; number < 12; number++) {
        assert_int_equal(wrong_key_of_share(&wrong, &t, 0.1f * (float)(number - 1), 1, number),
                         WARD_OK);
        hash_tables(&sha, &wrong);
        assert_int_equal(wrong_key_to_erase(&wrong, &t, 1, number), WARD_OK);
        hash_tables(&sha, &wrong);
    }
    sha256_finish(&sha, sum);
    hex_encode(sum, sizeof sum, text);
    assert_string_equal(text, "34b6e8d9c33d1747e286cf1061f749934df8eb644a2e0fba0f96b0f1416b20ba");
    transform_release(&t);
}

/* How much of an order is right of which a share is kept: of those that change, about one stays. */
static double kept_of(double share, int len)
{
    return share + (1 - pow(share, len)) / len;
}

static void wrong_keys_of_a_shuffle_move_blocks_whole_too(void **state)
{
    enum { KEYS = 200 };
    struct transform_spec spec = bare();
    struct transform t;

    (void)state;
    spec.keyed.shuffle = 4;
    t = transform_of(&spec);
    for (size_t s = 0; s <= 4; s++) {
        float share = 0.25f * (float)s;
        double root = sqrt((double)share), right = 0;

        for (uint64_t number = 0; number < KEYS; number++) {
            struct tensor_list wrong = {NULL, 0};
            const float *table;
            bool is_seen[VALUES] = {false};

            assert_int_equal(wrong_key_of_share(&wrong, &t, share, 1, number), WARD_OK);
            table = table_of(&wrong, WRONG_PREFIX, "shuffle");
            for (size_t i = 0; i < VALUES; i++) {
                size_t first = block_of(i) / 2 * 4 * SIDE + block_of(i) % 2 * 4;
                size_t from = (size_t)table[i];

                assert_false(is_seen[from]);
                is_seen[from] = true;
                assert_int_equal(block_of(from), block_of((size_t)table[first]));
            }
            right += share_right(&t, &wrong, "shuffle", VALUES) / KEYS;
            tensor_list_release(&wrong);
        }
        if (fabs(right - kept_of(root, 4) * kept_of(root, 32)) > 0.05)
            fail_msg("%g of the shuffle is right of a share of %g", right, (double)share);
    }
    transform_release(&t);
}

/* A mirrored value without its place in the pattern would leave the range. */
static void the_pattern_of_a_wrong_key_belongs_to_its_mirrored_values(void **state)
{
    struct transform_spec spec = full();
    struct transform t = transform_of(&spec);

    (void)state;
    for (uint64_t step = 0; step < 20; step++) {
        struct tensor_list wrong = {NULL, 0};
        const float *negative, *pattern;

        assert_int_equal(wrong_key_draw(&wrong, &t, 1, step), WARD_OK);
        negative = table_of(&wrong, WRONG_PREFIX, "negative");
        pattern = table_of(&wrong, WRONG_PREFIX, "pattern");
        for (int i = 0; i < VALUES; i++)
            assert_true(negative[i] < 0 ? pattern[i] > 1 : pattern[i] < 1);
        tensor_list_release(&wrong);
    }
    transform_release(&t);
}

static void wrong_dense_coordinates_stay_orthogonal(void **state)
{
    struct transform_spec spec = bare();
    struct transform t;

    (void)state;
    spec.channels = 1;
    spec.keyed.coordinates = WARD_COORDINATES_DENSE;
    t = transform_of(&spec);
    for (uint64_t step = 0; step < 10; step++) {
        struct tensor_list wrong = {NULL, 0};
        const float *q;
        size_t n = SIDE * SIDE;

        assert_int_equal(wrong_key_draw(&wrong, &t, 1, step), WARD_OK);
        q = table_of(&wrong, WRONG_PREFIX, "dense.weight");
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;

                for (size_t k = 0; k < n; k++)
                    sum += (double)q[i * n + k] * (double)q[j * n + k];
                assert_true(fabs(sum - (i == j)) < 1e-5);
            }
        assert_true(share_right(&t, &wrong, "dense.weight", n * n) < 0.9);
        tensor_list_release(&wrong);
    }
    transform_release(&t);
}

/* A row that was left where it was, or was exchanged last, is negated as often as any other. */
static void half_of_the_wrong_rows_are_negated(void **state)
{
    enum { KEYS = 400, LEN = 64 };
    struct transform_spec spec = bare();
    struct transform t;
    const float *right;
    size_t negated[LEN] = {0};

    (void)state;
    spec.channels = 1;
    spec.keyed.coordinates = WARD_COORDINATES_DENSE;
    t = transform_of(&spec);
    right = table_of(&t.params, KEY_PREFIX, "dense.weight");
    for (uint64_t number = 0; number < KEYS; number++) {
        struct tensor_list wrong = {NULL, 0};
        const float *q;

        assert_int_equal(wrong_key_of_share(&wrong, &t, 0, 1, number), WARD_OK);
        q = table_of(&wrong, WRONG_PREFIX, "dense.weight");
        for (size_t i = 0; i < LEN; i++)
            for (size_t j = 0; j < LEN; j++)
                negated[i] +=
                    q[i * LEN] == -right[j * LEN] && q[i * LEN + 1] == -right[j * LEN + 1];
        tensor_list_release(&wrong);
    }
    for (size_t i = 0; i < LEN; i++)
        assert_in_range(negated[i], KEYS * 2 / 5, KEYS * 3 / 5);
    transform_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_keys_are_random_ones_and_near_misses),
        cmocka_unit_test(a_wrong_key_follows_from_the_public_seed_and_the_step),
        cmocka_unit_test(wrong_keys_of_a_cascade_are_what_they_were_at_first),
        cmocka_unit_test(wrong_keys_of_a_shuffle_move_blocks_whole_too),
        cmocka_unit_test(the_pattern_of_a_wrong_key_belongs_to_its_mirrored_values),
        cmocka_unit_test(a_key_of_a_share_is_right_in_that_share_and_none_that_was_trained_against),
        cmocka_unit_test(wrong_dense_coordinates_stay_orthogonal),
        cmocka_unit_test(half_of_the_wrong_rows_are_negated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
