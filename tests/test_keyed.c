/*
 * The method `keyed`: what a key gives, byte by byte; what each part does to an image; wrong keys;
 * and the objective that trains against them, written out by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/util.h"
#include "protect/keyed.h"
#include "protect/objective.h"
#include "protect/wrong_key.h"
#include "ward/device.h"

enum { SIDE = 8, VALUES = 2 * SIDE * SIDE };

static void count_up(uint8_t key[TRANSFORM_SEED_LEN])
{
    for (int i = 0; i < TRANSFORM_SEED_LEN; i++)
        key[i] = (uint8_t)i;
}

/* Images of 2 x 8 x 8 in [-1, 3], without any part. */
static struct transform_spec bare(void)
{
    return (struct transform_spec){.method = WARD_METHOD_KEYED,
                                   .channels = 2,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .p = 0.2f,
                                   .generator_width = 4,
                                   .start = 1,
                                   .low = -1,
                                   .high = 3,
                                   .keyed = {.front_width = 4, .rounds = 4}};
}

/* With every part but a front. */
static struct transform_spec full(void)
{
    struct transform_spec spec = bare();

    spec.sigma = 0.5f;
    spec.keyed.shuffle = 4;
    spec.keyed.negative = 0.25f;
    spec.keyed.coordinates = WARD_COORDINATES_CASCADE;
    return spec;
}

static struct transform transform_of(const struct transform_spec *spec)
{
    uint8_t key[TRANSFORM_SEED_LEN];
    struct transform t = {.params = {NULL, 0}};

    count_up(key);
    if (transform_init(&t, spec, key))
        fail_msg("%s", ward_error_message());
    return t;
}

static const float *table_of(const struct tensor_list *list, const char *prefix, const char *name)
{
    char full_name[TENSOR_MAX_NAME];
    const struct tensor *t;

    snprintf(full_name, sizeof full_name, "%s%s", prefix, name);
    t = tensor_list_find(list, full_name);
    if (!t)
        fail_msg("no '%s'", full_name);
    return t->data;
}

/* y = G(x) of n images; batch norm by running statistics. */
static void apply(const char *device_name, const struct transform *t, size_t n, const float *x,
                  float *y)
{
    const struct transform_spec *s = &t->spec;
    const struct tensor_list *const list = &t->params;
    struct plan_options options = {.bn = BN_RUNNING, .output_count = 1};
    size_t len = n * s->channels * s->height * s->width;
    ward_device *device = NULL;
    struct plan *plan = NULL;
    struct graph g;
    int input;

    graph_init(&g);
    assert_int_equal(ward_device_open(&device, device_name), WARD_OK);
    input = graph_input(&g, (struct dims){n, s->channels, s->height, s->width});
    options.outputs[0] = transform_build(s, &g, input, true);
    if (graph_finish(&g) || plan_compile(&plan, device, &g, &options) ||
        params_load(plan, &list, 1))
        fail_msg("%s", ward_error_message());
    memcpy(plan_input(plan, input), x, len * sizeof *x);
    assert_int_equal(plan_forward(plan), WARD_OK);
    memcpy(y, plan_output(plan, options.outputs[0]), len * sizeof *y);
    plan_free(plan);
    graph_release(&g);
    ward_device_close(device);
}

static void fill(float *x, size_t count)
{
    struct rng rng;

    rng_init(&rng, 3, RNG_TEST, 0, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = rng_normal(&rng);
}

/* ---- what a key gives ---- */

/* Worked out by tests/keyed_tables.py from docs/formats.md alone. */
static void tables_follow_the_written_derivation(void **state)
{
    static const char *const expected[][2] = {
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
        struct sha256 sha;

        sha256_init(&sha);
        sha256_update(&sha, table_of(&t.params, KEY_PREFIX, expected[i][0]),
                      VALUES * sizeof(float));
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
    assert_int_equal(t.params.count - stored.count, 3 + 2 * 4);
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
        if (!transform_is_derived(x->name))
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

static size_t block_of(size_t i)
{
    return i / SIDE % SIDE / 4 * 2 + i % SIDE / 4;
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
    struct transform_spec bad[17];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 17; i++)
        bad[i] = full();
    bad[count++].keyed.rounds = 3;
    bad[count++].keyed.rounds = 17;
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

/* ---- wrong keys ---- */

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
        assert_int_equal(wrong.count, 3 + 2 * 4);
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
            int other = memcmp(a.items[k].data, b.items[k].data, VALUES * sizeof(float));
            int seen = memcmp(a.items[k].data, trained.items[k].data, VALUES * sizeof(float));
            int taken = memcmp(b.items[k].data, erased.items[k].data, VALUES * sizeof(float));

            assert_true(shares[i] < 1 ? other != 0 : other == 0);
            assert_true(seen != 0 && taken != 0);
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
        assert_memory_equal(a.items[i].data, b.items[i].data, VALUES * sizeof(float));
        assert_memory_not_equal(a.items[i].data, c.items[i].data, VALUES * sizeof(float));
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

/* ---- the objective ---- */

enum { BATCH = 6, CLASSES = 3 };

static double probability(const float *row, int k)
{
    double sum = 0;

    for (int j = 0; j < CLASSES; j++)
        sum += exp((double)row[j]);
    return exp((double)row[k]) / sum;
}

/* KL(U || q), the mean over rows. */
static double from_uniform(const float *logits, size_t rows)
{
    double sum = 0;

    for (size_t i = 0; i < rows; i++)
        for (int k = 0; k < CLASSES; k++)
            sum -= log(CLASSES * probability(logits + i * CLASSES, k)) / CLASSES / (double)rows;
    return sum;
}

/* Cross entropy with targets at a temperature. */
static double taught(const float *logits, const float *targets, float temperature)
{
    double sum = 0;

    for (int i = 0; i < BATCH; i++) {
        float soft[CLASSES];

        for (int k = 0; k < CLASSES; k++)
            soft[k] = logits[i * CLASSES + k] / temperature;
        for (int k = 0; k < CLASSES; k++)
            sum -= (double)targets[i * CLASSES + k] * log(probability(soft, k)) / BATCH;
    }
    return sum;
}

static void check_near(const char *what, double seen, double expected)
{
    if (fabs(seen - expected) > 1e-5 * (1 + fabs(expected)))
        fail_msg("%s: %.8g, expected %.8g", what, seen, expected);
}

static void check_chance(size_t raw_rows, size_t wrong_rows, bool separates_bn)
{
    struct objective_config config = {.batch = BATCH,
                                      .raw_rows = raw_rows,
                                      .alpha = 1,
                                      .beta = 1,
                                      .wrong_rows = wrong_rows,
                                      .wrong_weight = 1,
                                      .separates_bn = separates_bn,
                                      .is_chance = true,
                                      .teacher_weight = 0.5f,
                                      .temperature = 2};
    struct net_spec spec = {
        .arch = "mlp-16x2-leaky", .channels = 2, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct plan_options options = {.bn = BN_BATCH, .gradients = PLAN_GRAD_PARAMS};
    static float x[BATCH * VALUES];
    float targets[BATCH * CLASSES];
    int32_t labels[BATCH] = {0, 1, 2, 0, 1, 2};
    struct transform_spec keyed = full();
    struct tensor_list wrong = {NULL, 0};
    struct net net = {.params = {NULL, 0}};
    struct transform t;
    const struct tensor_list *const lists[] = {&net.params, &t.params, &wrong};
    const float *logits, *raw, *wrongs;
    ward_device *device = NULL;
    struct plan *plan = NULL;
    struct objective o;
    struct graph g;

    keyed.keyed.has_front = true;
    t = transform_of(&keyed);
    graph_init(&g);
    assert_int_equal(net_init(&net, &spec, 1), WARD_OK);
    assert_int_equal(wrong_key_draw(&wrong, &t, 1, 0), WARD_OK);
    assert_int_equal(ward_device_open(&device, "ref"), WARD_OK);
    if (objective_build(&g, &spec, &keyed, &config, &o))
        fail_msg("%s", ward_error_message());
    options.outputs[options.output_count++] = o.logits;
    if (separates_bn) {
        options.outputs[options.output_count++] = o.raw_logits;
        options.outputs[options.output_count++] = o.wrong_logits;
    }
    if (plan_compile(&plan, device, &g, &options) || params_load(plan, lists, 3))
        fail_msg("%s", ward_error_message());
    fill(x, BATCH * VALUES);
    for (int i = 0; i < BATCH * CLASSES; i++)
        targets[i] = i % CLASSES == i / CLASSES % CLASSES ? 0.6f : 0.2f;
    objective_fill(&o, plan, x, labels);
    memcpy(plan_input(plan, o.targets), targets, sizeof targets);
    assert_int_equal(plan_forward(plan), WARD_OK);
    assert_int_equal(plan_backward(plan), WARD_OK);
    logits = plan_output(plan, o.logits);
    raw = separates_bn ? plan_output(plan, o.raw_logits) : logits + BATCH * CLASSES;
    wrongs = separates_bn ? plan_output(plan, o.wrong_logits) : raw + raw_rows * CLASSES;
    check_near("KL of raw images", (double)*plan_output(plan, o.loss_raw),
               from_uniform(raw, raw_rows));
    check_near("KL under a wrong key", (double)*plan_output(plan, o.loss_wrong),
               from_uniform(wrongs, wrong_rows));
    check_near("the teacher's", (double)*plan_output(plan, o.loss_teacher),
               taught(logits, targets, 2));
    plan_free(plan);
    graph_release(&g);
    net_release(&net);
    tensor_list_release(&wrong);
    transform_release(&t);
    ward_device_close(device);
}

static void the_chance_objective_is_its_formula(void **state)
{
    (void)state;
    check_chance(BATCH, BATCH, false);
    check_chance(3, 2, false);
    check_chance(3, 3, true);
    check_chance(BATCH, 2, true);
}

/* What a caller does to raw rows is done to no others. */
static void raw_rows_that_change_are_an_input_of_their_own(void **state)
{
    static const size_t rows[] = {2, BATCH};
    struct net_spec net = {
        .arch = "mlp-16x2", .channels = 2, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct transform_spec keyed = full();

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct objective_config config = {.batch = BATCH,
                                                .raw_rows = rows[i / 2],
                                                .alpha = 1,
                                                .wrong_rows = rows[i / 2],
                                                .is_chance = true,
                                                .changes_raw = i % 2};
        struct objective o;
        struct graph g;

        graph_init(&g);
        assert_int_equal(objective_build(&g, &net, &keyed, &config, &o), WARD_OK);
        assert_int_equal(o.raw == o.x || o.raw == o.wrong, !config.changes_raw);
        graph_release(&g);
    }
}

static void wrong_keys_of_what_has_none_are_refused(void **state)
{
    struct objective_config config = {
        .batch = BATCH, .raw_rows = 2, .alpha = 1, .wrong_rows = 2, .is_chance = true};
    struct net_spec net = {
        .arch = "mlp-16x2", .channels = 2, .height = SIDE, .width = SIDE, .classes = CLASSES};
    struct transform_spec specs[] = {full(), bare(), full(), full()};

    (void)state;
    specs[2].method = WARD_METHOD_FIXED;
    for (size_t i = 0; i < 5; i++) {
        struct objective o = {.x = 77};
        struct graph g;

        graph_init(&g);
        config.is_chance = i != 3;
        config.wrong_rows = i == 4 ? BATCH + 1 : 2;
        assert_int_equal(objective_build(&g, &net, &specs[i % 4], &config, &o),
                         i == 0 ? WARD_OK : WARD_ERR_ARG);
        graph_release(&g);
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
        cmocka_unit_test(a_shuffle_moves_blocks_whole_and_values_inside),
        cmocka_unit_test(negative_values_are_mirrored_at_the_middle_of_the_range),
        cmocka_unit_test(all_devices_make_the_same_image),
        cmocka_unit_test(the_recommended_transform_costs_little_beside_resnet20),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(a_failing_allocation_leaves_nothing_behind),
        cmocka_unit_test(wrong_keys_are_random_ones_and_near_misses),
        cmocka_unit_test(a_wrong_key_follows_from_the_public_seed_and_the_step),
        cmocka_unit_test(wrong_keys_of_a_cascade_are_what_they_were_at_first),
        cmocka_unit_test(wrong_keys_of_a_shuffle_move_blocks_whole_too),
        cmocka_unit_test(the_pattern_of_a_wrong_key_belongs_to_its_mirrored_values),
        cmocka_unit_test(a_key_of_a_share_is_right_in_that_share_and_none_that_was_trained_against),
        cmocka_unit_test(wrong_dense_coordinates_stay_orthogonal),
        cmocka_unit_test(half_of_the_wrong_rows_are_negated),
        cmocka_unit_test(the_chance_objective_is_its_formula),
        cmocka_unit_test(raw_rows_that_change_are_an_input_of_their_own),
        cmocka_unit_test(wrong_keys_of_what_has_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
