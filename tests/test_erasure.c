/* Erasing classes from the last layer: what linear readings of raw answers have left, and what
 * stays as it was. */
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
#include "train/erasure.h"
#include "train_fixture.h"

enum { COUNT = CLASSES * TRAIN_IMAGES };

static const char *const archs[] = {"mlp-16x2-leaky", "mlp-16x1-residual", "simple-cnn",
                                    "resnet8-leaky"};

struct fixture {
    ward_device *device;
    ward_dataset *data;
    struct split images;
    struct net net;
};

static void open_net(struct fixture *f, const char *device, const char *arch)
{
    struct net_spec spec = {.channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};

    *f = (struct fixture){.data = NULL};
    snprintf(spec.arch, sizeof spec.arch, "%s", arch);
    check_ok(ward_device_open(&f->device, device), "a device");
    check_ok(ward_dataset_open(&f->data, in_dir("data")), "the pictures");
    check_ok(split_init(&f->images, f->data, WARD_SPLIT_TRAIN, 1, 0), "a split");
    check_ok(net_init(&f->net, &spec, 1), arch);
}

static void close_net(struct fixture *f)
{
    net_release(&f->net);
    split_release(&f->images);
    ward_dataset_free(f->data);
    ward_device_close(f->device);
}

/* The logits of all raw images, and their labels. */
static void answer(struct fixture *f, float logits[COUNT * CLASSES], int32_t labels[COUNT])
{
    const struct tensor_list *const lists[] = {&f->net.params};
    struct plan_options options = {.bn = BN_RUNNING, .output_count = 1};
    struct plan *plan = NULL;
    struct graph g;
    int x;

    graph_init(&g);
    x = graph_input(&g, (struct dims){COUNT, 1, SIDE, SIDE});
    options.outputs[0] = net_build(&f->net.spec, &g, x, (struct net_use){.is_frozen = true});
    check_ok(graph_finish(&g), "a graph");
    check_ok(plan_compile(&plan, f->device, &g, &options), "a plan");
    check_ok(params_load(plan, lists, 1), "its parameters");
    check_ok(batch_read(&f->images, 0, COUNT, plan_input(plan, x), labels), "the pictures");
    check_ok(plan_forward(plan), "a pass");
    memcpy(logits, plan_output(plan, options.outputs[0]), COUNT * CLASSES * sizeof *logits);
    plan_free(plan);
    graph_release(&g);
}

/* Of each logit, over the images of a class; class CLASSES: over all. */
static void find_means(struct fixture *f, double means[CLASSES + 1][CLASSES])
{
    float logits[COUNT * CLASSES];
    int32_t labels[COUNT];

    answer(f, logits, labels);
    memset(means, 0, (CLASSES + 1) * sizeof *means);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < CLASSES; k++) {
            means[labels[i]][k] += (double)logits[i * CLASSES + k] / TRAIN_IMAGES;
            means[CLASSES][k] += (double)logits[i * CLASSES + k] / COUNT;
        }
}

static void check_erased(const char *device, const char *arch)
{
    double before[CLASSES + 1][CLASSES], after[CLASSES + 1][CLASSES];
    struct tensor_list kept = {NULL, 0};
    struct fixture f;

    open_net(&f, device, arch);
    check_ok(tensor_list_copy(&kept, &f.net.params), "a copy");
    find_means(&f, before);
    check_ok(erase_classes(&f.net, f.device, &f.images), arch);
    find_means(&f, after);
    for (size_t k = 0; k < CLASSES; k++) {
        double difference = fabs(before[0][k] - before[1][k]);

        assert_true(difference > 1e-3);
        assert_true(fabs(after[0][k] - after[1][k]) < 1e-4 * difference);
        assert_true(fabs(after[CLASSES][k] - before[CLASSES][k]) < 1e-5);
    }
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

static void raw_images_of_all_classes_get_the_same_mean_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        check_erased("ref", archs[i]);
        check_erased("cpu", archs[i]);
    }
}

static void what_is_erased_stays_erased(void **state)
{
    float once[COUNT * CLASSES], twice[COUNT * CLASSES];
    int32_t labels[COUNT];
    struct fixture f;

    (void)state;
    open_net(&f, "ref", archs[0]);
    check_ok(erase_classes(&f.net, f.device, &f.images), "once");
    answer(&f, once, labels);
    check_ok(erase_classes(&f.net, f.device, &f.images), "twice");
    answer(&f, twice, labels);
    for (size_t i = 0; i < COUNT * CLASSES; i++)
        assert_true(fabsf(once[i] - twice[i]) < 1e-5f);
    close_net(&f);
}

static void a_class_without_images_changes_nothing(void **state)
{
    double means[CLASSES + 1][CLASSES];
    float before[COUNT * CLASSES], after[COUNT * CLASSES];
    int32_t labels[COUNT];
    struct fixture f;

    (void)state;
    open_net(&f, "ref", archs[0]);
    answer(&f, before, labels);
    f.images.count = TRAIN_IMAGES; /* of one class only, in the order of the folder */
    check_ok(erase_classes(&f.net, f.device, &f.images), "one class");
    f.images.count = COUNT;
    answer(&f, after, labels);
    find_means(&f, means);
    for (size_t i = 0; i < COUNT * CLASSES; i++)
        assert_true(fabsf(before[i] - after[i]) < 1e-5f);
    assert_true(fabs(means[0][0] - means[1][0]) > 1e-3);
    close_net(&f);
}

static void too_few_features_are_refused_before_a_training(void **state)
{
    struct net_spec spec = {.channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};
    ward_train_config config = config_of("mlp-3x1-leaky", WARD_METHOD_KEYED);

    (void)state;
    snprintf(spec.arch, sizeof spec.arch, "mlp-4x1");
    check_ok(erase_check(&spec), "four for two");
    snprintf(spec.arch, sizeof spec.arch, "mlp-3x1");
    check_refused(erase_check(&spec), WARD_ERR_ARG,
                  "erases_classes: the last layer of mlp-3x1 has 3 inputs");
    check_refused(train_whole(in_dir("few"), &config), WARD_ERR_ARG, "has 3 inputs, too few");
    assert_false(file_exists(in_dir("few")) || file_is_directory(in_dir("few")));
    config.erases_classes = false;
    check_ok(train_whole(in_dir("few"), &config), "without it");
}

static void features_that_are_not_finite_are_an_error(void **state)
{
    struct fixture f;

    (void)state;
    open_net(&f, "ref", archs[0]);
    f.net.params.items[0].data[0] = INFINITY;
    check_refused(erase_classes(&f.net, f.device, &f.images), WARD_ERR_NUMERIC, "not finite");
    close_net(&f);
}

static ward_status attempt(void *context)
{
    struct fixture *f = context;

    return erase_classes(&f->net, f->device, &f->images);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct fixture f;

    (void)state;
    open_net(&f, "ref", archs[0]);
    assert_true(assert_survives_failing_allocations(attempt, &f) > 5);
    close_net(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_images_of_all_classes_get_the_same_mean_answer),
        cmocka_unit_test(what_is_erased_stays_erased),
        cmocka_unit_test(a_class_without_images_changes_nothing),
        cmocka_unit_test(too_few_features_are_refused_before_a_training),
        cmocka_unit_test(features_that_are_not_finite_are_an_error),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
