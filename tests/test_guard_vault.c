/* G in guarded memory: what it makes of images is what the device "cpu" makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_test.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "guard/vault.h"
#include "nn/net.h"
#include "transform_fixture.h"

enum { IMAGES = 3 };

#define assert_ok(call)                                      \
    do {                                                     \
        if (call)                                            \
            fail_msg("%s: %s", #call, ward_error_message()); \
    } while (0)

struct example {
    const char *name;
    struct transform_spec spec;
};

/* Of `side` x `side` pixels; what a method does not have is not looked at. */
#define SPEC(method_, channels_, side)                                                          \
    .method = (method_), .channels = (channels_), .height = (side), .width = (side), .p = 0.2f, \
    .start = 0.3f, .low = 0, .high = 1

#define KEYED(channels_, side) SPEC(WARD_METHOD_KEYED, channels_, side)

/* No parameter stays as it is drawn: else means, biases and the like would be zero or one. */
static struct transform transform_of(const struct transform_spec *spec)
{
    uint8_t key[TRANSFORM_SEED_LEN] = {7};
    struct transform t = {.params = {NULL, 0}};
    struct tensor_list stored;

    assert_ok(transform_init(&t, spec, key));
    stored = transform_stored(&t);
    for (size_t i = 0; i < stored.count; i++)
        for (size_t k = 0; k < shape_count(&stored.items[i].shape); k++)
            stored.items[i].data[k] += 0.02f * (float)((k + i) % 7);
    return t;
}

static void fill(float *x, size_t count)
{
    struct rng rng;

    rng_init(&rng, 3, RNG_TEST, 0, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = rng_uniform(&rng);
}

/* Twice, so that nothing that the first left behind is in the second. */
static void apply_by_vault(const struct transform *t, const float *x, float *y)
{
    struct vault v;

    assert_ok(vault_init(&v, t));
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < IMAGES; i++) {
            memcpy(v.x, x + i * v.len, v.len * sizeof *x);
            vault_apply(&v, 1);
            memcpy(y + i * v.len, v.y, v.len * sizeof *y);
        }
    vault_release(&v);
}

/* tolerance: of the largest value; 0: bit for bit. */
static void check(const struct example *e, float tolerance)
{
    size_t count = IMAGES * e->spec.channels * e->spec.height * e->spec.width;
    struct transform t = transform_of(&e->spec);
    float *x = NULL, *y = NULL, *wanted = NULL, largest = 0;

    assert_ok(mem_new(&x, count, sizeof *x));
    assert_ok(mem_new(&y, count, sizeof *y));
    assert_ok(mem_new(&wanted, count, sizeof *wanted));
    fill(x, count);
    apply("cpu", &t, IMAGES, x, wanted);
    apply_by_vault(&t, x, y);
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(wanted[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(y[i] - wanted[i]) <= tolerance * largest))
            fail_msg("%s: value %zu is %.9g, expected %.9g", e->name, i, (double)y[i],
                     (double)wanted[i]);
    assert_true(largest > 0);
    mem_free(x);
    mem_free(y);
    mem_free(wanted);
    transform_release(&t);
}

static const struct example everything = {"all parts in a cascade's coordinates",
                                          {KEYED(1, 28), .sigma = 0.5f, .generator_width = 16,
                                           .is_clamped = true,
                                           .keyed = {.has_front = true,
                                                     .front_width = 16,
                                                     .codebook = 16,
                                                     .shuffle = 7,
                                                     .negative = 0.25f,
                                                     .coordinates = WARD_COORDINATES_CASCADE,
                                                     .rounds = 16,
                                                     .has_residual = true}}};

static void each_method_and_each_part_of_a_keyed_one_gives_the_bits_of_the_device(void **state)
{
    static const struct example examples[] = {
        {"fixed", {SPEC(WARD_METHOD_FIXED, 3, 9), .sigma = 0.1f}},
        {"learned", {SPEC(WARD_METHOD_LEARNED, 1, 28), .is_clamped = true}},
        {"generator", {SPEC(WARD_METHOD_GENERATOR, 3, 28), .generator_width = 64}},
        {"pattern", {KEYED(3, 9), .sigma = 0.5f}},
        {"codebook", {KEYED(3, 9), .keyed = {.codebook = 5}}},
        {"shuffle", {KEYED(3, 12), .keyed = {.shuffle = 4}}},
        {"negative", {KEYED(2, 8), .keyed = {.negative = 0.25f}}},
        {"dense", {KEYED(3, 9), .keyed = {.coordinates = WARD_COORDINATES_DENSE}}},
        {"cascade",
         {KEYED(1, 28), .keyed = {.coordinates = WARD_COORDINATES_CASCADE, .rounds = 4}}},
        {"front", {KEYED(1, 8), .keyed = {.has_front = true, .front_width = 16}}},
        {"wide front", {KEYED(3, 28), .keyed = {.has_front = true, .front_width = 48}}},
        {"residual", {KEYED(1, 12), .generator_width = 16, .keyed = {.has_residual = true}}},
        {"shuffle with a residual",
         {KEYED(3, 12), .generator_width = 32, .keyed = {.shuffle = 6, .has_residual = true}}},
        {"all parts in dense coordinates",
         {KEYED(1, 28), .sigma = 0.5f, .generator_width = 16,
          .keyed = {.has_front = true,
                    .front_width = 32,
                    .shuffle = 14,
                    .negative = 0.5f,
                    .coordinates = WARD_COORDINATES_DENSE,
                    .has_residual = true}}},
    };

    (void)state;
    parallel_set_threads(1);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        check(&examples[i], 0);
    check(&everything, 0);
}

/* Their convolutions are oneDNN's on the device. */
static void any_width_is_applied(void **state)
{
    static const struct example examples[] = {
        {"narrow generator", {SPEC(WARD_METHOD_GENERATOR, 1, 8), .generator_width = 5}},
        {"generator of one channel", {SPEC(WARD_METHOD_GENERATOR, 3, 9), .generator_width = 1}},
        {"narrow front", {KEYED(1, 12), .keyed = {.has_front = true, .front_width = 1}}},
        {"odd front", {KEYED(3, 28), .keyed = {.has_front = true, .front_width = 21}}},
        {"odd front and residual",
         {KEYED(1, 28), .generator_width = 9,
          .keyed = {.has_front = true,
                    .front_width = 10,
                    .has_residual = true,
                    .coordinates = WARD_COORDINATES_CASCADE,
                    .rounds = 4}}},
    };

    (void)state;
    parallel_set_threads(1);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        check(&examples[i], 1e-6f);
}

static void without_any_part_images_stay_what_they_are(void **state)
{
    const struct transform_spec spec = {KEYED(1, 8)};
    struct transform t = transform_of(&spec);
    float x[IMAGES * 64], y[IMAGES * 64];

    (void)state;
    fill(x, IMAGES * 64);
    apply_by_vault(&t, x, y);
    assert_memory_equal(x, y, sizeof x);
    transform_release(&t);
}

static void images_come_out_in_their_order(void **state)
{
    struct transform t = transform_of(&everything.spec);
    size_t count;
    struct vault v;
    float *one_by_one = NULL;

    (void)state;
    assert_ok(vault_init(&v, &t));
    assert_true(v.rows > 2);
    count = v.rows * v.len;
    assert_ok(mem_new(&one_by_one, count, sizeof *one_by_one));
    fill(v.x, count);
    vault_apply(&v, v.rows);
    memcpy(one_by_one, v.y, count * sizeof *v.y);
    for (size_t i = v.rows; i-- > 0;) {
        memmove(v.x, v.x + i * v.len, v.len * sizeof *v.x);
        vault_apply(&v, 1);
        assert_memory_equal(v.y, one_by_one + i * v.len, v.len * sizeof *v.y);
        fill(v.x, count);
    }
    vault_release(&v);
    mem_free(one_by_one);
    transform_release(&t);
}

/* Whether a process that does it is killed. */
static bool kills(float *at)
{
    pid_t child = fork();
    int ending = 0;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's would print */
        *(volatile float *)at = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &ending, 0), child);
    return WIFSIGNALED(ending);
}

static void what_was_loaded_lies_in_guarded_memory_that_nobody_can_write_to(void **state)
{
    struct transform t = transform_of(&everything.spec);
    struct vault v;

    (void)state;
    assert_ok(vault_init(&v, &t));
    for (size_t i = 0; i < v.step_count; i++)
        for (int k = 0; k < OP_MAX_PARAMS; k++) {
            const struct step *s = &v.steps[i];
            const uint8_t *at = (const uint8_t *)s->data[k];

            if (s->len[k] == 0)
                continue;
            assert_true(at >= v.values.data &&
                        at + s->len[k] * sizeof(float) <= v.values.data + v.values.len);
        }
    assert_true(kills(v.steps[0].data[0]));
    assert_false(kills(v.x));
    vault_release(&v);
    transform_release(&t);
}

static void an_operator_that_no_transform_has_is_refused_by_name(void **state)
{
    struct layout image = {{1, 3, 8, 8}, 1}, blocked = {{1, 32, 8, 8}, native_lanes()};
    struct graph g;
    struct step s;
    int x, y;

    (void)state;
    graph_init(&g);
    x = graph_input(&g, image.dims);
    y = graph_scale(&g, x, 2);
    assert_int_equal(step_init(&s, &g.nodes[y], &image, false), WARD_ERR_ARG);
    assert_non_null(strstr(ward_error_message(), op_kind_name(OP_SCALE)));
    x = graph_input(&g, blocked.dims);
    y = graph_tanh(&g, x);
    assert_int_equal(step_init(&s, &g.nodes[y], &blocked, false), WARD_ERR_ARG);
    graph_release(&g);
}

static ward_status open_and_close(void *context)
{
    struct vault v = {.len = 0};
    ward_status st = vault_init(&v, context);

    vault_release(&v);
    return st;
}

static void running_out_of_memory_leaves_nothing(void **state)
{
    struct transform t = transform_of(&everything.spec);

    (void)state;
    assert_true(assert_survives_failing_allocations(open_and_close, &t) > 8);
    transform_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_and_each_part_of_a_keyed_one_gives_the_bits_of_the_device),
        cmocka_unit_test(any_width_is_applied),
        cmocka_unit_test(without_any_part_images_stay_what_they_are),
        cmocka_unit_test(images_come_out_in_their_order),
        cmocka_unit_test(what_was_loaded_lies_in_guarded_memory_that_nobody_can_write_to),
        cmocka_unit_test(an_operator_that_no_transform_has_is_refused_by_name),
        cmocka_unit_test(running_out_of_memory_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
