/*
 * The secret transforms: what they are drawn from and what they compute; and the joint objective
 * against equation (3) written out by hand.
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
#include "key/secret.h"
#include "protect/objective.h"
#include "protect/transform.h"
#include "transform_fixture.h"

static const ward_method with_transform[] = {WARD_METHOD_FIXED, WARD_METHOD_LEARNED,
                                             WARD_METHOD_GENERATOR};

static struct transform_spec spec_of(ward_method method, size_t c, size_t h, size_t w)
{
    return (struct transform_spec){.method = method,
                                   .channels = c,
                                   .height = h,
                                   .width = w,
                                   .sigma = 0.1f,
                                   .p = 0.2f,
                                   .generator_width = 4,
                                   .start = 1.0f,
                                   .low = 0.0f,
                                   .high = 1.0f};
}

static void seed_fill(uint8_t seed[TRANSFORM_SEED_LEN], uint8_t first)
{
    for (int i = 0; i < TRANSFORM_SEED_LEN; i++)
        seed[i] = (uint8_t)(first + i);
}

static struct transform transform_of(const struct transform_spec *spec, const uint8_t *seed)
{
    struct transform t = {0};

    if (transform_init(&t, spec, seed))
        fail_msg("%s: %s", ward_method_name(spec->method), ward_error_message());
    return t;
}

static bool params_are_equal(const struct transform *a, const struct transform *b)
{
    assert_int_equal(a->params.count, b->params.count);
    for (size_t i = 0; i < a->params.count; i++)
        if (memcmp(a->params.items[i].data, b->params.items[i].data,
                   shape_count(&a->params.items[i].shape) * sizeof(float)) != 0)
            return false;
    return true;
}

/* ---- drawing G ---- */

static void an_equal_secret_seed_gives_an_equal_transform_and_another_does_not(void **state)
{
    uint8_t seed[TRANSFORM_SEED_LEN], other[TRANSFORM_SEED_LEN];

    (void)state;
    seed_fill(seed, 1);
    seed_fill(other, 1);
    other[TRANSFORM_SEED_LEN - 1] ^= 0x80;
    for (size_t m = 0; m < 3; m++) {
        struct transform_spec spec = spec_of(with_transform[m], 1, 28, 28);
        struct transform a = transform_of(&spec, seed), b = transform_of(&spec, seed);
        struct transform c = transform_of(&spec, other);

        assert_true(params_are_equal(&a, &b));
        assert_false(params_are_equal(&a, &c));
        assert_memory_equal(a.seed, seed, sizeof seed);
        transform_release(&a);
        transform_release(&b);
        transform_release(&c);
    }
}

/* Binomial shares: six standard errors around p. */
static void check_share(size_t seen, size_t count, double p, const char *what)
{
    double error = sqrt(p * (1 - p) / (double)count), share = (double)seen / (double)count;

    if (fabs(share - p) > 6 * error + 1e-12)
        fail_msg("share of %s is %.5f, expected %.5f +- %.5f", what, share, p, 6 * error);
}

static void check_fixed_shares(float p)
{
    struct transform_spec spec = spec_of(WARD_METHOD_FIXED, 3, 100, 100);
    size_t count = 30000, plus = 0, minus = 0, zero = 0;
    uint8_t seed[TRANSFORM_SEED_LEN];
    struct transform t;

    seed_fill(seed, 9);
    spec.sigma = 0.25f;
    spec.p = p;
    t = transform_of(&spec, seed);
    for (size_t i = 0; i < count; i++) {
        float v = tensor_list_find(&t.params, "transform.pattern")->data[i];

        plus += v == 0.25f;
        minus += v == -0.25f;
        zero += v == 0.0f;
    }
    assert_int_equal(plus + minus + zero, count);
    check_share(plus, count, (double)p, "+sigma");
    check_share(minus, count, (double)p, "-sigma");
    check_share(zero, count, 1 - 2 * (double)p, "0");
    transform_release(&t);
}

static void the_fixed_pattern_has_the_shares_of_its_p(void **state)
{
    (void)state;
    check_fixed_shares(0.2f);
    check_fixed_shares(0.0f);
    check_fixed_shares(0.5f);
}

/* What a thief would try: seeds made of nothing, or of the public seed in every obvious form. */
static void public_guess(uint8_t seed[TRANSFORM_SEED_LEN], int way, uint64_t public_seed)
{
    struct rng rng;

    memset(seed, 0, TRANSFORM_SEED_LEN);
    if (way == 1)
        memcpy(seed, &public_seed, sizeof public_seed);
    if (way == 2)
        for (int i = 0; i < 4; i++)
            memcpy(seed + 8 * i, &public_seed, sizeof public_seed);
    if (way == 3)
        snprintf((char *)seed, TRANSFORM_SEED_LEN, "%llu", (unsigned long long)public_seed);
    if (way < 4)
        return;
    rng_init(&rng, public_seed, (enum rng_purpose)(way - 3), 0, 0);
    for (int i = 0; i < TRANSFORM_SEED_LEN / 4; i++) {
        uint32_t word = rng_u32(&rng);

        memcpy(seed + 4 * i, &word, sizeof word);
    }
}

static void the_public_seed_does_not_rebuild_the_transform(void **state)
{
    enum { WAYS = 10 };

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct transform_spec spec = spec_of(with_transform[m], 1, 28, 28);
        uint8_t secret[TRANSFORM_SEED_LEN], guess[TRANSFORM_SEED_LEN];
        struct transform t;

        assert_int_equal(key_random(secret, sizeof secret), WARD_OK);
        t = transform_of(&spec, secret);
        for (uint64_t public_seed = 0; public_seed < 20; public_seed++)
            for (int way = 0; way < WAYS; way++) {
                struct transform rebuilt;

                public_guess(guess, way, public_seed);
                rebuilt = transform_of(&spec, guess);
                if (params_are_equal(&t, &rebuilt))
                    fail_msg("%s rebuilt from public seed %llu, way %d",
                             ward_method_name(spec.method), (unsigned long long)public_seed, way);
                transform_release(&rebuilt);
            }
        transform_release(&t);
    }
}

/* G's values share no stream with F's: none of F's initial values, for any seed, occurs in G. */
static void the_transform_holds_none_of_the_networks_draws(void **state)
{
    struct net_spec spec = {
        .arch = "resnet8", .channels = 1, .height = 28, .width = 28, .classes = 10};
    struct transform_spec g = spec_of(WARD_METHOD_LEARNED, 1, 28, 28);
    uint8_t seed[TRANSFORM_SEED_LEN] = {0};
    struct net net = {0};
    struct transform t;
    const struct tensor *pattern, *weight;
    double product = 0, a = 0, b = 0;

    (void)state;
    assert_int_equal(net_init(&net, &spec, 0), WARD_OK);
    t = transform_of(&g, seed);
    pattern = tensor_list_find(&t.params, "transform.pattern");
    weight = tensor_list_find(&net.params, "layer1.0.conv1.weight");
    for (size_t i = 0; i < 784; i++) {
        product += (double)pattern->data[i] * (double)weight->data[i];
        a += (double)pattern->data[i] * (double)pattern->data[i];
        b += (double)weight->data[i] * (double)weight->data[i];
    }
    assert_true(fabs(product / sqrt(a * b)) < 6 / sqrt(784.0));
    net_release(&net);
    transform_release(&t);
}

static void settings_out_of_range_are_refused(void **state)
{
    struct transform_spec bad[12];
    size_t count = 0;
    uint8_t seed[TRANSFORM_SEED_LEN] = {0};

    (void)state;
    for (int i = 0; i < 12; i++)
        bad[i] = spec_of(WARD_METHOD_FIXED, 1, 4, 4);
    bad[count++].sigma = 0;
    bad[count++].sigma = NAN;
    bad[count++].p = 0.51f;
    bad[count++].p = -0.1f;
    bad[count++].method = WARD_METHOD_BASELINE;
    bad[count++].method = (ward_method)17;
    bad[count++].height = 0;
    bad[count++].width = SIZE_MAX;
    bad[count].is_clamped = true;
    bad[count++].high = 0;
    bad[count++].start = -1;
    bad[count].method = WARD_METHOD_GENERATOR;
    bad[count++].generator_width = 0;
    bad[count].method = WARD_METHOD_GENERATOR;
    bad[count++].generator_width = 1025;
    for (size_t i = 0; i < count; i++) {
        struct transform t = {0};

        if (transform_init(&t, &bad[i], seed) != WARD_ERR_ARG)
            fail_msg("bad spec %zu was accepted", i);
        assert_null(t.params.items);
    }
}

static void methods_are_known_by_their_names(void **state)
{
    (void)state;
    for (int m = WARD_METHOD_BASELINE; m <= WARD_METHOD_KEYED; m++) {
        ward_method seen = (ward_method)-1;

        assert_int_equal(ward_method_parse(ward_method_name((ward_method)m), &seen), WARD_OK);
        assert_int_equal(seen, m);
    }
    assert_null(ward_method_name((ward_method)5));
    assert_null(ward_method_name((ward_method)-1));
    assert_int_equal(ward_method_parse("Fixed", &(ward_method){0}), WARD_ERR_ARG);
}

static void a_failing_allocation_leaves_nothing_behind(void **state)
{
    uint8_t seed[TRANSFORM_SEED_LEN] = {0};

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct transform_spec spec = spec_of(with_transform[m], 1, 8, 8);
        ward_status st = WARD_ERR_NOMEM;

        for (unsigned long n = 1; st; n++) {
            struct transform t = {0};

            mem_fail_after(n);
            st = transform_init(&t, &spec, seed);
            mem_fail_after(0);
            assert_true(st == WARD_OK || st == WARD_ERR_NOMEM);
            if (st)
                assert_null(t.params.items);
            transform_release(&t);
        }
    }
}

/* ---- what G computes ---- */

static void fixed_and_learned_add_one_pattern_to_every_image(void **state)
{
    uint8_t seed[TRANSFORM_SEED_LEN];
    float x[2 * 18], y[2 * 18];

    (void)state;
    seed_fill(seed, 4);
    for (size_t i = 0; i < 36; i++)
        x[i] = (float)i / 36;
    for (size_t m = 0; m < 2; m++) {
        struct transform_spec spec = spec_of(with_transform[m], 2, 3, 3);
        struct transform t = transform_of(&spec, seed);
        const float *pattern = tensor_list_find(&t.params, "transform.pattern")->data;

        apply("ref", &t, 2, x, y);
        for (size_t i = 0; i < 36; i++)
            if (fabsf(y[i] - (x[i] + pattern[i % 18])) > 1e-6f)
                fail_msg("%s, value %zu: %g, expected %g", ward_method_name(spec.method), i,
                         (double)y[i], (double)(x[i] + pattern[i % 18]));
        transform_release(&t);
    }
}

static float at(const float *x, long row, long column, long extent)
{
    return row < 0 || column < 0 || row >= extent || column >= extent ? 0.0f
                                                                      : x[row * extent + column];
}

/* x + tanh(W2 * relu(W1 * x + b1) + b2) at one place of a grey image. */
static double generator_at(const struct transform *t, const float *x, long row, long column,
                           long extent)
{
    const float *w1 = tensor_list_find(&t->params, "transform.conv1.weight")->data;
    const float *b1 = tensor_list_find(&t->params, "transform.conv1.bias")->data;
    const float *w2 = tensor_list_find(&t->params, "transform.conv2.weight")->data;
    const float *b2 = tensor_list_find(&t->params, "transform.conv2.bias")->data;
    double sum = (double)b2[0];

    for (size_t j = 0; j < t->spec.generator_width; j++) {
        double hidden = (double)b1[j];

        for (long u = 0; u < 25; u++)
            hidden += (double)w1[j * 25 + (size_t)u] *
                      (double)at(x, row + u / 5 - 2, column + u % 5 - 2, extent);
        sum += (double)w2[j] * fmax(hidden, 0);
    }
    return (double)at(x, row, column, extent) + tanh(sum);
}

static void the_generator_computes_its_formula(void **state)
{
    struct transform_spec spec = spec_of(WARD_METHOD_GENERATOR, 1, 6, 6);
    uint8_t seed[TRANSFORM_SEED_LEN];
    struct transform t;
    float x[36], y[36];

    (void)state;
    seed_fill(seed, 5);
    t = transform_of(&spec, seed);
    tensor_list_find(&t.params, "transform.conv1.bias")->data[1] = 0.3f;
    tensor_list_find(&t.params, "transform.conv2.bias")->data[0] = -0.2f;
    for (size_t i = 0; i < 36; i++)
        x[i] = 0.5f + 0.5f * sinf((float)i);
    apply("ref", &t, 1, x, y);
    for (long i = 0; i < 36; i++) {
        double expected = generator_at(&t, x, i / 6, i % 6, 6);

        if (fabs(expected - (double)y[i]) > 1e-6)
            fail_msg("place %ld: %g, expected %g", i, (double)y[i], expected);
    }
    transform_release(&t);
}

static void a_generator_with_start_zero_changes_nothing(void **state)
{
    struct transform_spec spec = spec_of(WARD_METHOD_GENERATOR, 1, 3, 3);
    uint8_t seed[TRANSFORM_SEED_LEN] = {0};
    float x[9] = {0, 1, 0.5f, 0.25f, 0, 0, 1, 1, 0.125f}, y[9];
    struct transform t;

    (void)state;
    spec.start = 0;
    t = transform_of(&spec, seed);
    apply("ref", &t, 1, x, y);
    assert_memory_equal(x, y, sizeof x);
    transform_release(&t);
}

static void a_clamped_transform_stays_in_the_inputs_range(void **state)
{
    uint8_t seed[TRANSFORM_SEED_LEN] = {1};
    float x[16] = {0, 1, 0, 1}, y[16];

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct transform_spec spec = spec_of(with_transform[m], 1, 4, 4);
        struct transform t;

        spec.is_clamped = true;
        t = transform_of(&spec, seed);
        apply("ref", &t, 1, x, y);
        for (int i = 0; i < 16; i++)
            assert_true(y[i] >= 0 && y[i] <= 1);
        transform_release(&t);
    }
}

/* ---- the objective ---- */

enum { BATCH = 4, CLASSES = 3, PIXELS = 16 };

struct step {
    ward_device *device;
    struct net net;
    struct transform transform;
    struct graph graph;
    struct objective objective;
    struct plan *plan;
    float x[BATCH * PIXELS];
    int32_t labels[BATCH];
};

static void step_init(struct step *s, const char *arch, ward_method method,
                      const struct objective_config *config)
{
    struct net_spec net = {.channels = 1, .height = 4, .width = 4, .classes = CLASSES};
    struct transform_spec spec = spec_of(method, 1, 4, 4);
    uint8_t seed[TRANSFORM_SEED_LEN] = {7};
    struct plan_options options = {
        .bn = BN_BATCH, .gradients = PLAN_GRAD_PARAMS, .is_secret = true};
    const struct tensor_list *lists[2];
    bool has_transform = method != WARD_METHOD_BASELINE;

    *s = (struct step){0};
    snprintf(net.arch, sizeof net.arch, "%s", arch);
    graph_init(&s->graph);
    assert_int_equal(ward_device_open(&s->device, "ref"), WARD_OK);
    assert_int_equal(net_init(&s->net, &net, 5), WARD_OK);
    if (has_transform)
        s->transform = transform_of(&spec, seed);
    if (objective_build(&s->graph, &net, has_transform ? &spec : NULL, config, &s->objective))
        fail_msg("%s", ward_error_message());
    options.outputs[options.output_count++] = s->objective.logits;
    if (s->objective.raw_logits >= 0)
        options.outputs[options.output_count++] = s->objective.raw_logits;
    lists[0] = &s->net.params;
    lists[1] = &s->transform.params;
    if (plan_compile(&s->plan, s->device, &s->graph, &options) || params_load(s->plan, lists, 2))
        fail_msg("%s", ward_error_message());
    for (int i = 0; i < BATCH * PIXELS; i++)
        s->x[i] = 0.5f + 0.5f * sinf(1.7f * (float)i);
    for (int i = 0; i < BATCH; i++)
        s->labels[i] = (i + 1) % CLASSES;
    objective_fill(&s->objective, s->plan, s->x, s->labels);
    assert_int_equal(plan_forward(s->plan), WARD_OK);
}

static void step_release(struct step *s)
{
    plan_free(s->plan);
    graph_release(&s->graph);
    net_release(&s->net);
    transform_release(&s->transform);
    ward_device_close(s->device);
}

/* softmax(logits of a row) at class k. */
static double probability(const float *row, int32_t k)
{
    double sum = 0;

    for (int j = 0; j < CLASSES; j++)
        sum += exp((double)row[j]);
    return exp((double)row[k]) / sum;
}

static void check_loss(struct step *s, int loss, double expected, const char *what)
{
    double seen = (double)*plan_output(s->plan, loss);

    if (fabs(seen - expected) > 1e-5 * (1 + fabs(expected)))
        fail_msg("%s: %.8g, expected %.8g", what, seen, expected);
}

/* The three terms of equation (3), from the logits and from G by hand. */
static void check_objective(ward_method method, size_t raw_rows, bool separates_bn)
{
    struct objective_config config = {.batch = BATCH,
                                      .raw_rows = raw_rows,
                                      .alpha = 1,
                                      .beta = 1,
                                      .gamma = 0.01f,
                                      .has_uniform = true,
                                      .separates_bn = separates_bn};
    double cross_entropy = 0, true_probability = 0, distance = 0, divergence = 0;
    float y[BATCH * PIXELS];
    const float *logits, *raw;
    struct step s;

    step_init(&s, "resnet8", method, &config);
    logits = plan_output(s.plan, s.objective.logits);
    raw = separates_bn ? plan_output(s.plan, s.objective.raw_logits) : logits + BATCH * CLASSES;
    apply("ref", &s.transform, BATCH, s.x, y);
    for (int i = 0; i < BATCH; i++)
        cross_entropy -= log(probability(logits + i * CLASSES, s.labels[i])) / BATCH;
    for (size_t i = 0; i < raw_rows; i++)
        true_probability += probability(raw + i * CLASSES, s.labels[i]) / (double)raw_rows;
    for (size_t i = 0; i < raw_rows; i++)
        for (int k = 0; k < CLASSES; k++)
            divergence -=
                log(CLASSES * probability(raw + i * CLASSES, k)) / CLASSES / (double)raw_rows;
    for (int i = 0; i < BATCH * PIXELS; i++)
        distance += ((double)y[i] - (double)s.x[i]) * ((double)y[i] - (double)s.x[i]) / BATCH;
    check_loss(&s, s.objective.loss_processed, cross_entropy, "E_p");
    check_loss(&s, s.objective.loss_raw, true_probability, "E_r");
    check_loss(&s, s.objective.loss_distance, distance, "|x_p - x_r|^2");
    check_loss(&s, s.objective.loss_uniform, divergence, "KL(U || q)");
    step_release(&s);
}

static void the_objective_is_equation_3(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        check_objective(with_transform[m], BATCH, false);
        check_objective(with_transform[m], BATCH, true);
        check_objective(with_transform[m], 3, false);
        check_objective(with_transform[m], 3, true);
    }
}

static void a_baseline_is_plain_cross_entropy(void **state)
{
    struct objective_config config = {
        .batch = BATCH, .raw_rows = BATCH, .alpha = 1, .beta = 1, .gamma = 1};
    double cross_entropy = 0;
    const float *logits;
    struct step s;

    (void)state;
    step_init(&s, "resnet8", WARD_METHOD_BASELINE, &config);
    assert_int_equal(s.objective.processed, -1);
    assert_int_equal(s.objective.raw, -1);
    assert_int_equal(s.objective.loss_raw, -1);
    assert_int_equal(s.objective.loss_distance, -1);
    assert_int_equal(graph_dims(&s.graph, s.objective.logits).n, BATCH);
    logits = plan_output(s.plan, s.objective.logits);
    for (int i = 0; i < BATCH; i++)
        cross_entropy -= log(probability(logits + i * CLASSES, s.labels[i])) / BATCH;
    check_loss(&s, s.objective.loss_processed, cross_entropy, "E_p");
    step_release(&s);
}

/* The sum of the weighted losses, for finite differences. */
static double total_loss(struct step *s, const struct objective_config *c)
{
    assert_int_equal(plan_forward(s->plan), WARD_OK);
    return (double)c->alpha * (double)*plan_output(s->plan, s->objective.loss_processed) +
           (double)c->beta * (double)*plan_output(s->plan, s->objective.loss_raw) +
           (double)c->gamma * (double)*plan_output(s->plan, s->objective.loss_distance);
}

static void check_slope(struct step *s, const struct objective_config *c, size_t p, size_t i)
{
    size_t count = shape_count(&s->graph.params[p].shape);
    float value[1024], gradient[1024], h = 1e-3f;
    double up, down, slope;

    assert_true(count <= 1024);
    assert_int_equal(plan_store(s->plan, p, PLAN_VALUE, value), WARD_OK);
    assert_int_equal(plan_store(s->plan, p, PLAN_GRADIENT, gradient), WARD_OK);
    value[i] += h;
    assert_int_equal(plan_load(s->plan, p, PLAN_VALUE, value), WARD_OK);
    up = total_loss(s, c);
    value[i] -= 2 * h;
    assert_int_equal(plan_load(s->plan, p, PLAN_VALUE, value), WARD_OK);
    down = total_loss(s, c);
    value[i] += h;
    assert_int_equal(plan_load(s->plan, p, PLAN_VALUE, value), WARD_OK);
    slope = (up - down) / (2 * (double)h);
    /* There are kinks (ReLU, max pool); agreement to a few percent tells sign and weight. */
    if (fabs(slope - (double)gradient[i]) > 0.05 * fabs(slope) + 2e-3)
        fail_msg("%s[%zu]: slope %g, gradient %g", s->graph.params[p].name, i, slope,
                 (double)gradient[i]);
}

static void the_pattern_feels_the_whole_weighted_objective(void **state)
{
    struct objective_config config = {.batch = BATCH,
                                      .raw_rows = BATCH,
                                      .alpha = 0.7f,
                                      .beta = 2.0f,
                                      .gamma = 0.3f,
                                      .separates_bn = true};
    struct step s;

    (void)state;
    step_init(&s, "simple-cnn", WARD_METHOD_LEARNED, &config);
    assert_int_equal(plan_backward(s.plan), WARD_OK);
    for (size_t p = 0; p < s.graph.param_count; p++)
        if (strcmp(s.graph.params[p].name, "transform.pattern") == 0)
            for (size_t i = 0; i < PIXELS; i += 3)
                check_slope(&s, &config, p, i);
    step_release(&s);
}

static void the_fixed_pattern_takes_no_gradient(void **state)
{
    struct objective_config config = {
        .batch = BATCH, .raw_rows = BATCH, .alpha = 1, .beta = 1, .gamma = 1};
    bool is_seen = false;
    struct step s;

    (void)state;
    step_init(&s, "resnet8", WARD_METHOD_FIXED, &config);
    for (size_t p = 0; p < s.graph.param_count; p++)
        if (strncmp(s.graph.params[p].name, "transform.", 10) == 0) {
            is_seen = true;
            assert_false(s.graph.params[p].is_trainable);
        }
    assert_true(is_seen);
    step_release(&s);
}

static void more_raw_rows_than_images_are_refused(void **state)
{
    struct net_spec net = {
        .arch = "resnet8", .channels = 1, .height = 4, .width = 4, .classes = CLASSES};
    struct transform_spec spec = spec_of(WARD_METHOD_FIXED, 1, 4, 4);
    struct objective_config config = {.batch = 4, .raw_rows = 5, .alpha = 1};
    struct objective o = {.x = 77};
    struct graph g;

    (void)state;
    graph_init(&g);
    assert_int_equal(objective_build(&g, &net, &spec, &config, &o), WARD_ERR_ARG);
    assert_int_equal(o.x, 77);
    graph_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_equal_secret_seed_gives_an_equal_transform_and_another_does_not),
        cmocka_unit_test(the_fixed_pattern_has_the_shares_of_its_p),
        cmocka_unit_test(the_public_seed_does_not_rebuild_the_transform),
        cmocka_unit_test(the_transform_holds_none_of_the_networks_draws),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(methods_are_known_by_their_names),
        cmocka_unit_test(a_failing_allocation_leaves_nothing_behind),
        cmocka_unit_test(fixed_and_learned_add_one_pattern_to_every_image),
        cmocka_unit_test(the_generator_computes_its_formula),
        cmocka_unit_test(a_generator_with_start_zero_changes_nothing),
        cmocka_unit_test(a_clamped_transform_stays_in_the_inputs_range),
        cmocka_unit_test(the_objective_is_equation_3),
        cmocka_unit_test(a_baseline_is_plain_cross_entropy),
        cmocka_unit_test(the_pattern_feels_the_whole_weighted_objective),
        cmocka_unit_test(the_fixed_pattern_takes_no_gradient),
        cmocka_unit_test(more_raw_rows_than_images_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
