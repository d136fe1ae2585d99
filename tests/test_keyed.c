/* The method `keyed`: what a key gives, byte by byte, and what each part does to an image. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "base/util.h"
#include "keyed_fixture.h"

/* ---- what a key gives ---- */

/* Worked out by tests/keyed_tables.py from docs/formats.md alone. */
static void tables_follow_the_written_derivation(void **state)
{
    static const char *const expected[][2] = {
        {"codebook.sides.weight",
         "cf16468183cccbbfd27b14806014ae5026731fe51f5f1f1306213ef29e267865"},
        {"codebook.patterns.weight",
         "185aa7e80c757dfd7597cab044c5b6aa96485a626f9b0e030a49fd6b2f58bbb9"},
        {"shuffle", "252918ac554d565d1f399d5d930c47597d271fda32525c1c74f9c66634ba45f6"},
        {"negative", "69402e4fc7dd428100c05cf7f07f0344129332c04b1be67f2b9825aa61a34044"},
        {"pattern", "fc544242b0e4c2ecf709ce3e7fe49bcce60dcbb7b24140ac46008fb0db7e1d21"},
        {"order1", "9f5320e57be77cd0f9479d2cd7d7cf9721b7584db7e4fa256f792d934785d050"},
        {"signs1", "43a99e7e769ef6b6fbb81e5c578eb6fe8309927c066bc19620ec2ff0a0cbf02a"},
        {"order2", "68c5aef4a64ed1521e7a0511ef67c2f8d998f9d0444a621413455254d4edad66"},
        {"signs2", "94d16c487ce3f6650bfca69bc554db6b886d374e056e5461b38f62972bf1ce02"},
        {"order3", "abfb3fd0fc4d41c28eff8185ae2e2db8ec3586cb0fe116d5dbf0e7989e6ea3b4"},
        {"signs3", "66753fe26eb4dfd30f1fd38c2092a32b05502e3959daabfdf79eb275d31aadd2"},
        {"order4", "6d455f75037609a719e35f7c05d1938366a609eff3fe8fb814539420e5255417"},
        {"signs4", "a67e5d0b0eb2680dc2c10c8add46e645f86ff37c7c856334b2ac70f95ba84995"},
    };
    struct transform_spec spec = full();
    struct transform t = transform_of(&spec);

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        uint8_t sum[SHA256_LEN];
        char text[2 * SHA256_LEN + 1];
        bool is_codebook = strncmp(expected[i][0], "codebook", strlen("codebook")) == 0;
        size_t count = is_codebook ? spec.keyed.codebook * VALUES : VALUES;
        struct sha256 sha;

        sha256_init(&sha);
        sha256_update(&sha, table_of(&t.params, KEY_PREFIX, expected[i][0]), count * sizeof(float));
        sha256_finish(&sha, sum);
        hex_encode(sum, sizeof sum, text);
        if (strcmp(text, expected[i][1]) != 0)
            fail_msg("%s: %s, expected %s", expected[i][0], text, expected[i][1]);
    }
    transform_release(&t);
}

static void a_dense_matrix_is_orthogonal_and_follows_the_written_derivation(void **state)
{
    static const double first[] = {-0.053938246, 0.121661782, -0.073486047, 0.014092024};
    static const double last[] = {0.253979405, -0.182018591, -0.188920642, 0.221599075};
    enum { N = 16 };
    struct transform_spec spec = bare();
    struct transform t;
    const float *q;

    (void)state;
    spec.channels = 1;
    spec.height = spec.width = 4;
    spec.keyed.coordinates = WARD_COORDINATES_DENSE;
    t = transform_of(&spec);
    q = table_of(&t.params, KEY_PREFIX, "dense.weight");
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)q[i] - first[i]) < 1e-6);
        assert_true(fabs((double)q[(N - 1) * N + i] - last[i]) < 1e-6);
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;

            for (int k = 0; k < N; k++)
                sum += (double)q[i * N + k] * (double)q[j * N + k];
            if (fabs(sum - (i == j)) > 1e-6)
                fail_msg("rows %d and %d: %g", i, j, sum);
        }
    transform_release(&t);
}

static void a_file_holds_nothing_that_the_key_gives(void **state)
{
    struct transform_spec spec = full();
    struct transform t;
    struct tensor_list stored;

    (void)state;
    spec.keyed.has_front = spec.keyed.has_residual = true;
    t = transform_of(&spec);
    stored = transform_stored(&t);
    assert_true(stored.count > 0);
    assert_int_equal(t.params.count - stored.count, 4 + 3 + 2 * 4);
    for (size_t i = 0; i < t.params.count; i++)
        assert_int_equal(transform_is_derived(t.params.items[i].name), i >= stored.count);
    transform_release(&t);
}

static void another_key_changes_every_table_and_nothing_learned(void **state)
{
    struct transform_spec spec = full();
    struct transform a, b;
    uint8_t key[TRANSFORM_SEED_LEN];

    (void)state;
    spec.keyed.has_front = true;
    a = transform_of(&spec);
    b = transform_of(&spec);
    count_up(key);
    key[31] ^= 1; /* one bit */
    assert_int_equal(transform_set_key(&b, key), WARD_OK);
    assert_memory_equal(b.seed, key, sizeof key);
    for (size_t i = 0; i < a.params.count; i++) {
        const struct tensor *x = &a.params.items[i], *y = &b.params.items[i];
        size_t len = shape_count(&x->shape), same = 0;

        for (size_t v = 0; v < len; v++)
            same += memcmp(&x->data[v], &y->data[v], sizeof(float)) == 0;
        if (!transform_is_derived(x->name) || is_bias(x))
            assert_int_equal(same, len);
        else if (same > 3 * len / 4) /* of a share of 1/4 mirrored, 5/8 agree by chance */
            fail_msg("%s: %zu of %zu values are those of another key", x->name, same, len);
    }
    count_up(key);
    assert_int_equal(transform_set_key(&b, key), WARD_OK);
    for (size_t i = 0; i < a.params.count; i++)
        assert_memory_equal(a.params.items[i].data, b.params.items[i].data,
                            shape_count(&a.params.items[i].shape) * sizeof(float));
    transform_release(&a);
    transform_release(&b);
}

/* ---- what the parts do ---- */

static void without_parts_nothing_changes(void **state)
{
    struct transform_spec spec = bare();
    struct transform t = transform_of(&spec);
    struct graph g;
    int input;

    (void)state;
    graph_init(&g);
    input = graph_input(&g, (struct dims){1, 2, SIDE, SIDE});
    assert_int_equal(transform_build(&spec, &g, input, true), input);
    assert_int_equal(t.params.count, 0);
    graph_release(&g);
    transform_release(&t);
}

static void coordinates_keep_distances(void **state)
{
    static const ward_coordinates kinds[] = {WARD_COORDINATES_DENSE, WARD_COORDINATES_CASCADE};
    float x[2 * VALUES], y[2 * VALUES];

    (void)state;
    fill(x, 2 * VALUES);
    for (size_t k = 0; k < 2; k++) {
        struct transform_spec spec = bare();
        double before = 0, after = 0, moved = 0;
        struct transform t;

        spec.keyed.coordinates = kinds[k];
        t = transform_of(&spec);
        apply("ref", &t, 2, x, y);
        for (int i = 0; i < VALUES; i++) {
            before += pow((double)x[i] - (double)x[VALUES + i], 2);
            after += pow((double)y[i] - (double)y[VALUES + i], 2);
            moved += pow((double)y[i] - (double)x[i], 2);
        }
        assert_true(fabs(after / before - 1) < 1e-5);
        assert_true(moved > before / 2);
        transform_release(&t);
    }
}

/* A single bright value comes out as many faint ones. */
static void a_cascade_spreads_each_value_over_all(void **state)
{
    struct transform_spec spec = bare();
    float x[VALUES] = {[37] = 1}, y[VALUES], largest = 0;
    size_t dark = 0;
    struct transform t;

    (void)state;
    spec.keyed.coordinates = WARD_COORDINATES_CASCADE;
    t = transform_of(&spec);
    apply("ref", &t, 1, x, y);
    for (int i = 0; i < VALUES; i++) {
        largest = fmaxf(largest, fabsf(y[i]));
        dark += fabsf(y[i]) < 1e-6f;
    }
    if (largest > 0.5f || dark > VALUES / 2)
        fail_msg("largest %g, %zu of %d dark", (double)largest, dark, VALUES);
    transform_release(&t);
}

/* What is added is one of 2^bits patterns: nearly the same for images that are nearly the same,
 * another for most others, and its opposite for the opposite image. */
static void a_codebook_adds_a_pattern_that_the_image_chooses(void **state)
{
    enum { IMAGES = 20 };
    static float x[IMAGES * VALUES], y[IMAGES * VALUES];
    struct transform_spec spec = bare();
    const float *patterns;
    size_t others = 0, chosen = 0;
    struct transform t;

    (void)state;
    spec.keyed.codebook = 6;
    t = transform_of(&spec);
    patterns = table_of(&t.params, KEY_PREFIX, "codebook.patterns.weight");
    fill(x, IMAGES * VALUES);
    for (size_t v = 0; v < VALUES; v++) {
        x[VALUES + v] = -x[v];
        x[2 * VALUES + v] = x[v] * 1.01f;
    }
    apply("ref", &t, IMAGES, x, y);
    for (size_t i = 0; i < IMAGES; i++) {
        double nearest = INFINITY, moved = 0, first = 0;

        for (unsigned word = 0; word < 1u << 6; word++) {
            double away = 0;

            for (size_t v = 0; v < VALUES; v++) {
                double sum = 0;

                for (unsigned bit = 0; bit < 6; bit++)
                    sum += (double)patterns[v * 6 + bit] * (word >> bit & 1 ? -1 : 1);
                away += pow((double)(y[i * VALUES + v] - x[i * VALUES + v]) - sum, 2);
            }
            nearest = fmin(nearest, away / VALUES);
        }
        for (size_t v = 0; v < VALUES; v++) {
            double added = (double)(y[i * VALUES + v] - x[i * VALUES + v]);

            moved += pow(added, 2) / VALUES;
            first += pow(added - (double)(y[v] - x[v]), 2) / VALUES;
        }
        chosen += nearest < 0.1 * moved;
        assert_true(i != 1 || fabs(first / moved - 4) < 1e-3);
        assert_true(i != 2 || first < 1e-3);
        others += first > moved / 2;
    }
    assert_true(chosen > IMAGES * 3 / 4); /* the others are near a hyperplane */
    assert_true(others > IMAGES / 2);
    transform_release(&t);
}

static void a_shuffle_moves_blocks_whole_and_values_inside(void **state)
{
    struct transform_spec spec = bare();
    float x[VALUES], y[VALUES];
    bool is_seen[VALUES] = {false};
    struct transform t;

    (void)state;
    spec.keyed.shuffle = 4;
    t = transform_of(&spec);
    for (int i = 0; i < VALUES; i++)
        x[i] = (float)i;
    apply("ref", &t, 1, x, y);
    for (size_t i = 0; i < VALUES; i++) {
        size_t first = block_of(i) / 2 * 4 * SIDE + block_of(i) % 2 * 4; /* of the same block */
        size_t from = (size_t)y[i];

        assert_false(is_seen[from]);
        is_seen[from] = true;
        assert_int_equal(block_of(from), block_of((size_t)y[first]));
    }
    transform_release(&t);
}

static void negative_values_are_mirrored_at_the_middle_of_the_range(void **state)
{
    struct transform_spec spec = bare();
    float x[VALUES], y[VALUES];
    size_t mirrored = 0;
    struct transform t;

    (void)state;
    spec.keyed.negative = 0.25f;
    t = transform_of(&spec);
    fill(x, VALUES);
    apply("ref", &t, 1, x, y);
    for (int i = 0; i < VALUES; i++) {
        bool is_mirrored = fabsf(y[i] - (2.0f - x[i])) < 1e-6f;

        assert_true(is_mirrored || fabsf(y[i] - x[i]) < 1e-6f);
        mirrored += is_mirrored;
    }
    assert_in_range(mirrored, VALUES / 8, 3 * VALUES / 8);
    transform_release(&t);
}

static void all_devices_make_the_same_image(void **state)
{
    static float x[20 * VALUES], y[20 * VALUES], expected[20 * VALUES];
    struct transform_spec spec = full();
    struct transform t;

    (void)state;
    spec.keyed.has_front = spec.keyed.has_residual = true;
    t = transform_of(&spec);
    fill(x, 20 * VALUES);
    apply("ref", &t, 20, x, expected);
    apply("cpu", &t, 20, x, y);
    for (int i = 0; i < 20 * VALUES; i++)
        if (fabsf(y[i] - expected[i]) > 1e-4f)
            fail_msg("value %d: %g, expected %g", i, (double)y[i], (double)expected[i]);
    transform_release(&t);
}

/* The bar: 5 % of resnet20's on the same images. */
static void the_recommended_transform_costs_little_beside_resnet20(void **state)
{
    struct transform_spec spec = {.method = WARD_METHOD_KEYED,
                                  .channels = 1,
                                  .height = 28,
                                  .width = 28,
                                  .low = 0,
                                  .high = 1,
                                  .keyed = {.has_front = true,
                                            .front_width = 16,
                                            .coordinates = WARD_COORDINATES_CASCADE,
                                            .rounds = 4}};
    struct net_spec net = {
        .arch = "resnet20", .channels = 1, .height = 28, .width = 28, .classes = 10};
    struct graph transform, network;

    (void)state;
    graph_init(&transform);
    graph_init(&network);
    assert_int_equal(transform_check(&spec), WARD_OK);
    transform_build(&spec, &transform, graph_input(&transform, (struct dims){1, 1, 28, 28}), true);
    assert_int_equal(graph_finish(&transform), WARD_OK);
    assert_int_equal(net_graph(&network, &net), WARD_OK);
    if (graph_macs(&transform) > 0.05 * graph_macs(&network))
        fail_msg("%g multiply-adds, more than 5 %% of %g", graph_macs(&transform),
                 graph_macs(&network));
    graph_release(&transform);
    graph_release(&network);
}

static void settings_out_of_range_are_refused(void **state)
{
    uint8_t key[TRANSFORM_SEED_LEN] = {0};
    struct transform_spec bad[19];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 19; i++)
        bad[i] = full();
    bad[count++].keyed.rounds = 3;
    bad[count++].keyed.rounds = 17;
    bad[count++].keyed.codebook = 65;
    bad[count].keyed.codebook = 33, bad[count].height = 512, bad[count++].width = 128;
    bad[count++].keyed.shuffle = 3;
    bad[count++].keyed.negative = 1.1f;
    bad[count++].keyed.negative = NAN;
    bad[count++].sigma = -1;
    bad[count++].sigma = NAN;
    bad[count++].p = 0.6f;
    bad[count++].keyed.coordinates = (ward_coordinates)3;
    bad[count++].channels = 1, bad[count - 1].height = 4, bad[count - 1].width = 5;
    bad[count].keyed.coordinates = WARD_COORDINATES_DENSE, bad[count++].channels = 17;
    bad[count].keyed.has_front = true, bad[count++].keyed.front_width = 0;
    bad[count].keyed.has_front = true, bad[count++].keyed.front_width = 257;
    bad[count].keyed.has_front = true, bad[count].keyed.shuffle = 2, bad[count++].width = 6;
    bad[count].keyed.has_residual = true, bad[count++].generator_width = 0;
    bad[count++].high = INFINITY;
    bad[count].height = 1024, bad[count++].width = 1024;
    for (size_t i = 0; i < count; i++) {
        struct transform t = {.params = {NULL, 0}};

        if (transform_init(&t, &bad[i], key) != WARD_ERR_ARG)
            fail_msg("bad spec %zu was accepted", i);
        assert_null(t.params.items);
    }
}

static void a_failing_allocation_leaves_nothing_behind(void **state)
{
    struct transform_spec spec = full();
    uint8_t key[TRANSFORM_SEED_LEN] = {0};
    ward_status st = WARD_ERR_NOMEM;

    (void)state;
    spec.keyed.has_front = true;
    for (unsigned long n = 1; st; n++) {
        struct transform t = {.params = {NULL, 0}};

        mem_fail_after(n);
        st = transform_init(&t, &spec, key);
        mem_fail_after(0);
        assert_true(st == WARD_OK || st == WARD_ERR_NOMEM);
        if (st)
            assert_null(t.params.items);
        transform_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_follow_the_written_derivation),
        cmocka_unit_test(a_dense_matrix_is_orthogonal_and_follows_the_written_derivation),
        cmocka_unit_test(a_file_holds_nothing_that_the_key_gives),
        cmocka_unit_test(another_key_changes_every_table_and_nothing_learned),
        cmocka_unit_test(without_parts_nothing_changes),
        cmocka_unit_test(coordinates_keep_distances),
        cmocka_unit_test(a_cascade_spreads_each_value_over_all),
        cmocka_unit_test(a_codebook_adds_a_pattern_that_the_image_chooses),
        cmocka_unit_test(a_shuffle_moves_blocks_whole_and_values_inside),
        cmocka_unit_test(negative_values_are_mirrored_at_the_middle_of_the_range),
        cmocka_unit_test(all_devices_make_the_same_image),
        cmocka_unit_test(the_recommended_transform_costs_little_beside_resnet20),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(a_failing_allocation_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
