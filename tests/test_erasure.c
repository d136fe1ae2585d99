/* Erasing axes from the last layer: what is left of raw answers, and what stays as it was. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/util.h"
#include "data/batch.h"
#include "nn/net.h"
#include "protect/wrong_key.h"
#include "train/erasure.h"
#include "train_fixture.h"

enum { COUNT = CLASSES * TRAIN_IMAGES, KEY_IMAGES = 16, SEED = 1 };

static const struct victim {
    const char *arch;
    double share; /* as many axes as images, or more; and as many again under wrong keys */
    uint32_t images;
} victims[] = {
    {"mlp-128x2-leaky", 0.25, COUNT},
    {"mlp-128x1-residual", 0.25, COUNT},
    {"simple-cnn", 0.05, COUNT},
    {"resnet8-leaky", 0.25, COUNT / 2},
};

struct fixture {
    ward_device *device;
    ward_dataset *data;
    struct split images;
    struct net net;
    struct transform transform;
};

static void open_net(struct fixture *f, const char *device, const struct victim *victim)
{
    struct net_spec spec = {.channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};
    const struct transform_spec transform = {.method = WARD_METHOD_KEYED,
                                             .channels = 1,
                                             .height = SIDE,
                                             .width = SIDE,
                                             .keyed = {.coordinates = WARD_COORDINATES_DENSE}};

    *f = (struct fixture){.data = NULL};
    snprintf(spec.arch, sizeof spec.arch, "%s", victim->arch);
    check_ok(ward_device_open(&f->device, device), "a device");
    check_ok(ward_dataset_open(&f->data, in_dir("data")), "the pictures");
    check_ok(split_init(&f->images, f->data, WARD_SPLIT_TRAIN, 1, 0), "a split");
    f->images.count = victim->images;
    check_ok(net_init(&f->net, &spec, 1), victim->arch);
    check_ok(transform_init(&f->transform, &transform, secret), "a transform");
}

static void close_net(struct fixture *f)
{
    transform_release(&f->transform);
    net_release(&f->net);
    split_release(&f->images);
    ward_dataset_free(f->data);
    ward_device_close(f->device);
}

/* All images, in the order in which the seed draws them. */
static void draw_images(const struct fixture *f, float *x)
{
    const struct batch_source source = {.split = &f->images, .seed = SEED, .batch = COUNT};
    struct epoch_order order;
    int32_t labels[COUNT];

    check_ok(epoch_order_init(&order, &f->images), "an order");
    batch_make(&source, &order, 0, x, labels);
    epoch_order_release(&order);
}

/* What all logits of an image have in common says nothing. */
static void centre(float logits[COUNT * CLASSES])
{
    for (size_t i = 0; i < COUNT; i++) {
        float mean = 0;

        for (size_t k = 0; k < CLASSES; k++)
            mean += logits[i * CLASSES + k] / CLASSES;
        for (size_t k = 0; k < CLASSES; k++)
            logits[i * CLASSES + k] -= mean;
    }
}

/* Their logits: raw if the transform is NULL, otherwise processed, under a wrong key if there are
 * tables of one; each image's less their mean. */
static void answer(struct fixture *f, const struct transform *transform,
                   const struct tensor_list *wrong, float logits[COUNT * CLASSES])
{
    const struct tensor_list *const lists[] = {&f->net.params,
                                               transform ? &transform->params : NULL, wrong};
    struct plan_options options = {.bn = BN_RUNNING, .output_count = 1};
    struct plan *plan = NULL;
    struct graph g;
    int x, to = 0;

    graph_init(&g);
    x = to = graph_input(&g, (struct dims){COUNT, 1, SIDE, SIDE});
    if (transform)
        to = wrong ? transform_build_wrong(&transform->spec, &g, x)
                   : transform_build(&transform->spec, &g, x, true);
    options.outputs[0] = net_build(&f->net.spec, &g, to, (struct net_use){.is_frozen = true});
    check_ok(graph_finish(&g), "a graph");
    check_ok(plan_compile(&plan, f->device, &g, &options), "a plan");
    check_ok(params_load(plan, lists, 3), "its parameters");
    draw_images(f, plan_input(plan, x));
    check_ok(plan_forward(plan), "a pass");
    memcpy(logits, plan_output(plan, options.outputs[0]), COUNT * CLASSES * sizeof *logits);
    centre(logits);
    plan_free(plan);
    graph_release(&g);
}

static float farthest(const float *a, const float *b, size_t count)
{
    float most = 0;

    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(a[i] - (b ? b[i] : 0)));
    return most;
}

static ward_status erase(struct fixture *f, double share, uint64_t seed)
{
    struct erased erased;

    return erase_axes(&f->net, &f->transform, f->device, &f->images, share, seed, &erased);
}

/* So few images differ along fewer axes than are taken out, and are fewer than what is left of the
 * features: raw ones are answered alike, and processed ones exactly as before. */
static void check_erased(const char *device, const struct victim *victim)
{
    const char *arch = victim->arch;
    float raw[2][COUNT * CLASSES], processed[2][COUNT * CLASSES];
    struct tensor_list kept = {NULL, 0};
    struct fixture f;

    open_net(&f, device, victim);
    check_ok(tensor_list_copy(&kept, &f.net.params), "a copy");
    answer(&f, NULL, NULL, raw[0]);
    answer(&f, &f.transform, NULL, processed[0]);
    check_ok(erase(&f, victim->share, 1), arch);
    answer(&f, NULL, NULL, raw[1]);
    answer(&f, &f.transform, NULL, processed[1]);
    assert_true(farthest(raw[0], NULL, COUNT * CLASSES) > 1e-2f);
    if (farthest(raw[1], NULL, COUNT * CLASSES) > 1e-4f ||
        farthest(processed[0], processed[1], COUNT * CLASSES) > 1e-2f)
        fail_msg("%s, %s: %g left of raw answers, processed ones moved by %g", device, arch,
                 (double)farthest(raw[1], NULL, COUNT * CLASSES),
                 (double)farthest(processed[0], processed[1], COUNT * CLASSES));
    for (size_t i = 0; i < kept.count; i++) {
        const struct tensor *t = &kept.items[i];
        bool is_same = memcmp(t->data, tensor_list_find(&f.net.params, t->name)->data,
                              shape_count(&t->shape) * sizeof *t->data) == 0;

        if (is_same != (i + 2 < kept.count))
            fail_msg("%s: '%s' has %schanged", arch, t->name, is_same ? "not " : "");
    }
    tensor_list_release(&kept);
    close_net(&f);
}

static void raw_images_are_answered_alike_and_processed_ones_as_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof victims / sizeof victims[0]; i++) {
        check_erased("ref", &victims[i]);
        check_erased("cpu", &victims[i]);
    }
}

/* How far the answers to images under one key differ from each other. */
static float spread_under(struct fixture *f, const struct tensor_list *wrong)
{
    float logits[COUNT * CLASSES], most = 0;

    answer(f, &f->transform, wrong, logits);
    for (size_t i = 0; i < KEY_IMAGES * CLASSES; i++)
        most = fmaxf(most, fabsf(logits[i] - logits[i % CLASSES]));
    return most;
}

/* Of the images and the key that were looked at. */
static void images_under_a_wrong_key_are_answered_alike(void **state)
{
    struct tensor_list wrong = {NULL, 0};
    struct fixture f;
    float before, after;

    (void)state;
    open_net(&f, "ref", &victims[0]);
    check_ok(wrong_key_to_erase(&wrong, &f.transform, SEED, 1), "a wrong key");
    before = spread_under(&f, &wrong);
    check_ok(erase(&f, victims[0].share, SEED), victims[0].arch);
    after = spread_under(&f, &wrong);
    if (before < 1e-2f || after > 1e-4f)
        fail_msg("answers differ by %g, by %g before", (double)after, (double)before);
    tensor_list_release(&wrong);
    close_net(&f);
}

/* Sum of squares of the logits around equal ones, over raw images. */
static double left_of_raw(struct fixture *f)
{
    float logits[COUNT * CLASSES];
    double sum = 0;

    answer(f, NULL, NULL, logits);
    for (size_t i = 0; i < COUNT * CLASSES; i++)
        sum += (double)logits[i] * (double)logits[i];
    return sum;
}

static void a_larger_share_leaves_less_and_what_is_gone_stays_gone(void **state)
{
    static const double shares[] = {0.01, 0.05, 0.1};
    double left = INFINITY, again;

    (void)state;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double before = left;
        struct fixture f;

        open_net(&f, "ref", &victims[0]);
        check_ok(erase(&f, shares[i], 1), "once");
        left = left_of_raw(&f);
        check_ok(erase(&f, shares[i], 1), "again");
        again = left_of_raw(&f);
        if (left > before / 2 || fabs(again - left) > 1e-3 * left)
            fail_msg("share %g: %g after %g, then %g", shares[i], left, before, again);
        close_net(&f);
    }
}

/* The share of images whose class is the same after a share of the axes was erased. */
static double keep_class(const char *arch, double share, struct erased *erased)
{
    const struct victim victim = {arch, share, COUNT};
    float before[COUNT * CLASSES], after[COUNT * CLASSES];
    size_t kept = 0;
    struct fixture f;

    open_net(&f, "ref", &victim);
    answer(&f, &f.transform, NULL, before);
    check_ok(erase_axes(&f.net, &f.transform, f.device, &f.images, share, SEED, erased), arch);
    answer(&f, &f.transform, NULL, after);
    for (size_t i = 0; i < COUNT; i++)
        kept += (before[2 * i] > before[2 * i + 1]) == (after[2 * i] > after[2 * i + 1]);
    close_net(&f);
    return (double)kept / COUNT;
}

/* A layer with features to spare loses a half or a quarter of the axes that are meant; one without
 * loses one of each kind whatever that costs. */
static void fewer_axes_are_erased_where_images_would_change_their_class(void **state)
{
    struct erased erased;
    double kept = keep_class("mlp-40x1-leaky", 0.45, &erased);

    (void)state;
    assert_true(kept > 0.98 && fabs(erased.agreement - kept) < 1e-9);
    if (erased.axes != 18 && erased.axes != 8)
        fail_msg("%zu axes of 40 were erased", erased.axes);
    kept = keep_class("mlp-4x1-leaky", 0.25, &erased);
    assert_int_equal(erased.axes, 2);
    if (kept > 0.98 || fabs(erased.agreement - kept) > 1e-9)
        fail_msg("%g keep their class, %g is said", kept, erased.agreement);
}

static void the_same_seed_makes_the_same_layer(void **state)
{
    float once[COUNT * CLASSES], twice[COUNT * CLASSES];
    struct fixture f;

    (void)state;
    for (int i = 0; i < 2; i++) {
        open_net(&f, "cpu", &victims[0]);
        check_ok(erase(&f, 0.1, 3), victims[0].arch);
        answer(&f, &f.transform, NULL, i ? twice : once);
        close_net(&f);
    }
    assert_memory_equal(once, twice, sizeof once);
}

static void too_few_features_are_refused_before_a_training(void **state)
{
    struct net_spec spec = {.channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};
    const struct transform_spec generator = {.method = WARD_METHOD_GENERATOR};
    const struct transform_spec keyed = {.method = WARD_METHOD_KEYED, .keyed = {.shuffle = 4}};
    ward_train_config config = config_of("mlp-3x1-leaky", WARD_METHOD_KEYED);

    (void)state;
    snprintf(spec.arch, sizeof spec.arch, "mlp-3x1");
    check_ok(erase_check(&spec, &generator, 0.25), "two for two");
    check_refused(erase_check(&spec, &generator, 0.5), WARD_ERR_ARG,
                  "erased_axes: the last layer of mlp-3x1 has 3 inputs, too few");
    check_refused(erase_check(&spec, &keyed, 0.25), WARD_ERR_ARG, "2 classes beside 2 axes");
    config.erased_axes = 0.5;
    check_refused(train_whole(in_dir("few"), &config), WARD_ERR_ARG, "has 3 inputs, too few");
    assert_false(file_exists(in_dir("few")) || file_is_directory(in_dir("few")));
    config.erased_axes = 0;
    check_ok(train_whole(in_dir("few"), &config), "without it");
}

static void features_that_are_not_finite_are_an_error(void **state)
{
    struct fixture f;

    (void)state;
    open_net(&f, "ref", &victims[0]);
    f.net.params.items[0].data[0] = INFINITY;
    check_refused(erase(&f, 0.25, 1), WARD_ERR_NUMERIC, "not finite");
    close_net(&f);
}

static ward_status attempt(void *context)
{
    struct fixture *f = context;

    return erase(f, 0.25, 1);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture f;

    (void)state;
    open_net(&f, "ref", &victims[0]);
    assert_true(assert_survives_failing_allocations(attempt, &f) > 5);
    close_net(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_images_are_answered_alike_and_processed_ones_as_before),
        cmocka_unit_test(images_under_a_wrong_key_are_answered_alike),
        cmocka_unit_test(a_larger_share_leaves_less_and_what_is_gone_stays_gone),
        cmocka_unit_test(fewer_axes_are_erased_where_images_would_change_their_class),
        cmocka_unit_test(the_same_seed_makes_the_same_layer),
        cmocka_unit_test(too_few_features_are_refused_before_a_training),
        cmocka_unit_test(features_that_are_not_finite_are_an_error),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
