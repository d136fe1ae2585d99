/*
 * Adversaries in the training loop: what is drawn follows from seed and step, also across a stop;
 * an adversary gets better at what he wants; the gradient at a fine-tuned F is the one by
 * differences, and is added once; the cost. On device ref, with a data set made here.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/mem.h"
#include "pictures_fixture.h"
#include "run_fixture.h"
#include "train/rivals.h"
#include "train/settings.h"
#include "ward/device.h"
#include "ward/train.h"

enum { IMAGES = 10, STEPS = 12 };

static ward_device *device;

static int enter(void **state)
{
    if (folder_make(state) || ward_device_open(&device, "ref"))
        return -1;
    pictures_make(in_folder("data"), IMAGES, IMAGES);
    return 0;
}

static int leave(void **state)
{
    ward_device_close(device);
    return folder_remove(state);
}

/* ---- trainings ---- */

static ward_train_config config_of(const char *recipe, ward_method method)
{
    static char data[256];
    ward_train_config config;

    assert_ok(ward_train_defaults(&config, recipe, NULL, "mlp-16x1", method));
    snprintf(data, sizeof data, "%s", in_folder("data"));
    config.data = data;
    config.iterations = STEPS;
    config.batch = 4;
    config.raw_share = 0.5;
    config.secret_seed = test_seed;
    config.generator_width = 3;
    config.harden = 0.5;
    config.harden_steps = 5;
    config.harden_every = 1;
    return config;
}

static bool is_below(void *context, const ward_train_progress *progress)
{
    return progress->iteration < *(const uint64_t *)context;
}

static ward_status train(const char *name, const ward_train_config *config, uint64_t stop_at)
{
    const ward_train_options options = {.out = in_folder(name),
                                        .is_resumed = stop_at > 0,
                                        .progress = is_below,
                                        .context = &stop_at};

    stop_at = stop_at > 0 ? stop_at : UINT64_MAX;
    return ward_train(device, config, &options);
}

static char *read_text(const char *name)
{
    uint8_t *data = NULL;
    char *text = NULL;
    size_t len;

    assert_ok(file_read(in_folder(name), 1 << 24, &data, &len));
    assert_ok(mem_new(&text, len + 1, 1));
    memcpy(text, data, len);
    mem_free(data);
    return text;
}

static bool are_same(const char *a, const char *b, const char *file)
{
    char name[2][64];
    uint8_t *data[2] = {NULL, NULL};
    size_t len[2];
    bool result;

    snprintf(name[0], sizeof name[0], "%s/%s", a, file);
    snprintf(name[1], sizeof name[1], "%s/%s", b, file);
    for (int i = 0; i < 2; i++)
        assert_ok(file_read(in_folder(name[i]), 1 << 24, &data[i], &len[i]));
    result = len[0] == len[1] && memcmp(data[0], data[1], len[0]) == 0;
    mem_free(data[0]);
    mem_free(data[1]);
    return result;
}

static void the_same_seed_gives_the_same_bytes_and_another_share_others(void **state)
{
    ward_train_config config = config_of("fast", WARD_METHOD_GENERATOR);
    char *metrics, *settings;

    (void)state;
    assert_ok(train("same-a", &config, 0));
    assert_ok(train("same-b", &config, 0));
    assert_true(are_same("same-a", "same-b", "model.safetensors"));
    assert_true(are_same("same-a", "same-b", "transform.ward"));
    metrics = read_text("same-a/metrics.jsonl");
    settings = read_text("same-a/config.json");
    assert_non_null(strstr(metrics, "\"loss_rival\""));
    assert_non_null(strstr(metrics, "\"loss_tuned\""));
    assert_non_null(strstr(settings, "\"harden_steps\": 5"));
    mem_free(metrics);
    mem_free(settings);
    config.harden = 1;
    assert_ok(train("more", &config, 0));
    assert_false(are_same("same-a", "more", "model.safetensors"));
}

static void without_adversaries_their_settings_change_nothing(void **state)
{
    ward_train_config config = config_of("fast", WARD_METHOD_GENERATOR);
    char *metrics, *settings;

    (void)state;
    config.harden = 0;
    assert_ok(train("off-a", &config, 0));
    config.harden_steps = 20;
    config.harden_every = 3;
    assert_ok(train("off-b", &config, 0));
    assert_true(are_same("off-a", "off-b", "model.safetensors"));
    assert_true(are_same("off-a", "off-b", "config.json"));
    metrics = read_text("off-a/metrics.jsonl");
    settings = read_text("off-a/config.json");
    assert_null(strstr(metrics, "loss_rival"));
    assert_null(strstr(metrics, "loss_tuned"));
    assert_null(strstr(settings, "harden"));
    mem_free(metrics);
    mem_free(settings);
}

static void a_stopped_training_continues_to_the_same_bytes(void **state)
{
    static const struct {
        const char *recipe;
        ward_method method;
    } cases[] = {
        {"fast", WARD_METHOD_GENERATOR}, {"fast", WARD_METHOD_KEYED}, {"paper", WARD_METHOD_FIXED}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ward_train_config config = config_of(cases[i].recipe, cases[i].method);
        char whole[16], parts[16];

        config.harden_every = 2;
        if (i == 2)
            config.raw_share = 1;
        snprintf(whole, sizeof whole, "whole%zu", i);
        snprintf(parts, sizeof parts, "parts%zu", i);
        assert_ok(train(whole, &config, 0));
        for (uint64_t at = 3; at < STEPS; at += 4)
            assert_fails(train(parts, &config, at), WARD_ERR_STOPPED, "stopped");
        assert_ok(train(parts, &config, STEPS + 1));
        assert_true(are_same(whole, parts, "model.safetensors"));
        assert_true(are_same(whole, parts, "transform.ward"));
    }
}

/* Batch norm by the batch takes two images. */
static void batches_of_a_few_images_are_enough(void **state)
{
    (void)state;
    for (size_t batch = 2; batch < 4; batch++) {
        ward_train_config config = config_of("fast", WARD_METHOD_LEARNED);
        char name[16];

        snprintf(name, sizeof name, "few%zu", batch);
        config.batch = batch;
        assert_ok(train(name, &config, 0));
    }
}

static void edit(const char *name, const char *script)
{
    char command[512];

    snprintf(command, sizeof command, "sed -i '%s' '%s'", script, in_folder(name));
    shell(command);
}

/* The settings of a run are not those of its checkpoint. */
static void a_checkpoint_with_other_adversaries_is_refused(void **state)
{
    ward_train_config config = config_of("fast", WARD_METHOD_FIXED);

    (void)state;
    assert_fails(train("other", &config, 3), WARD_ERR_STOPPED, "stopped");
    edit("other/config.json", "s/\"generator_width\": 3/\"generator_width\": 4/");
    assert_fails(train("other", NULL, STEPS + 1), WARD_ERR_FORMAT, "does not fit");
    edit("other/config.json", "/harden/d");
    edit("other/config.json", "s/\\(\"checkpoint_seconds\".*\\),$/\\1/");
    assert_fails(train("other", NULL, STEPS + 1), WARD_ERR_FORMAT, "does not fit");
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    ward_train_config good = config_of("fast", WARD_METHOD_GENERATOR), bad;

    (void)state;
    assert_ok(settings_check(&good));
    bad = good;
    bad.harden = 1.5;
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "harden is 1.5");
    bad = good;
    bad.harden = (double)NAN;
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "harden");
    bad = good;
    bad.harden_steps = 4;
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "harden_steps is 4");
    bad.harden_steps = 21;
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "harden_steps is 21");
    bad = good;
    bad.harden_every = 0;
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "harden_every");
    bad = good;
    bad.raw_share = 0.1; /* of four images: none */
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "raw images");
    bad = good;
    bad.method = WARD_METHOD_BASELINE;
    bad.secret_seed = NULL;
    assert_fails(settings_check(&bad), WARD_ERR_ARG, "raw images");
    bad.harden = 0;
    assert_ok(settings_check(&bad));
}

/* ---- one adversary ---- */

static const struct net_spec image = {
    .arch = "mlp-16x1", .channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};

static struct transform_spec front_of(ward_method method)
{
    return (struct transform_spec){.method = method,
                                   .channels = 1,
                                   .height = SIDE,
                                   .width = SIDE,
                                   .generator_width = 3,
                                   .start = 0.1f,
                                   .high = 1};
}

static void an_adversarys_steps_lower_his_own_loss(void **state)
{
    static const struct {
        ward_method method;
        enum rival_loss loss;
        float leak, rate;
    } cases[] = {
        {WARD_METHOD_LEARNED, RIVAL_LABELS, 0, 0.03f},
        {WARD_METHOD_LEARNED, RIVAL_INFOMAX, 0.3f, 0.03f},
        {WARD_METHOD_GENERATOR, RIVAL_LABELS, 0.3f, 0.01f},
        {WARD_METHOD_GENERATOR, RIVAL_INFOMAX, 0, 0.01f},
        {WARD_METHOD_BASELINE, RIVAL_LABELS, 0, 0.003f},
    };
    enum { BATCH = 6 };
    float x[BATCH * SIDE * SIDE];
    int32_t y[BATCH];

    (void)state;
    for (size_t i = 0; i < BATCH * SIDE * SIDE; i++)
        x[i] = sinf((float)i * 0.7f);
    for (int32_t i = 0; i < BATCH; i++)
        y[i] = i % CLASSES;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net net = {.params = {NULL, 0}};
        struct transform front = {.params = {NULL, 0}};
        const struct tensor_list *const lists[] = {&net.params, &front.params};
        struct rival_spec spec = {.net = image,
                                  .batch = BATCH,
                                  .loss = cases[i].loss,
                                  .weight = 1,
                                  .front = front_of(cases[i].method),
                                  .leak = cases[i].leak};
        struct rival rival = {.plan = NULL};
        double first = 0, last = 0;
        bool is_finite;

        assert_ok(net_init(&net, &image, 1));
        if (cases[i].method != WARD_METHOD_BASELINE)
            assert_ok(transform_init(&front, &spec.front, test_seed));
        assert_ok(rival_open(&rival, device, &spec, lists, 2));
        assert_ok(rival_look(&rival, x, y, &first));
        for (int s = 0; s < 10; s++) {
            assert_ok(rival_step(&rival, x, y, cases[i].rate, &is_finite));
            assert_true(is_finite);
        }
        assert_ok(rival_look(&rival, x, y, &last));
        if (!(last < first))
            fail_msg("case %zu: %g, at first %g", i, last, first);
        rival_close(&rival);
        transform_release(&front);
        net_release(&net);
    }
}

/* ---- against F ---- */

enum { FIGHT = 8 }; /* images a step */

/* Without dropout, so that a loss can be computed again. */
static const struct net_spec resnet = {
    .arch = "resnet8", .channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};

struct fight {
    ward_dataset *data;
    struct split split;
    struct net net;
    struct tensor_list replay;
    struct graph graph;
    struct plan *plan;
    struct objective objective;
    struct rivals rivals;
};

/* A paper's objective on `fixed`, all rows raw, half of them an adversary's. */
static void fight_open(struct fight *f, const struct objective_config *objective)
{
    struct transform_spec fixed = front_of(WARD_METHOD_FIXED);
    struct transform g = {.params = {NULL, 0}};
    const struct plan_options options = {
        .bn = BN_BATCH, .gradients = PLAN_GRAD_PARAMS, .outputs = {0}, .output_count = 0};
    const struct tensor_list *lists[2];
    struct rivals_config config = {.device = device,
                                   .net = resnet,
                                   .objective = *objective,
                                   .generator_width = 3,
                                   .high = 1,
                                   .steps = 5,
                                   .every = 1};

    *f = (struct fight){.data = NULL};
    fixed.sigma = 0.1f;
    fixed.p = 0.2f;
    assert_ok(ward_dataset_open(&f->data, in_folder("data")));
    assert_ok(split_init(&f->split, f->data, WARD_SPLIT_TRAIN, 1, 0));
    config.images = (struct batch_source){.split = &f->split, .seed = 1, .batch = FIGHT};
    assert_ok(net_init(&f->net, &resnet, 1));
    assert_ok(transform_init(&g, &fixed, test_seed));
    graph_init(&f->graph);
    assert_ok(objective_build(&f->graph, &resnet, &fixed, objective, &f->objective));
    assert_ok(plan_compile(&f->plan, device, &f->graph, &options));
    lists[0] = &f->net.params;
    lists[1] = &g.params;
    assert_ok(params_load(f->plan, lists, 2));
    assert_ok(rivals_init(&f->rivals, &config, &f->net.params, &f->replay));
    transform_release(&g);
}

static void fight_close(struct fight *f)
{
    rivals_release(&f->rivals);
    plan_free(f->plan);
    graph_release(&f->graph);
    tensor_list_release(&f->replay);
    net_release(&f->net);
    split_release(&f->split);
    ward_dataset_free(f->data);
}

static const struct objective_config papers = {.batch = FIGHT,
                                               .raw_rows = FIGHT,
                                               .rival_rows = 2,
                                               .changes_raw = true,
                                               .alpha = 1,
                                               .beta = 0.7f,
                                               .gamma = 0.01f};

static void fronts_fill_the_replay_and_change_the_first_raw_rows_alone(void **state)
{
    float x[FIGHT * SIDE * SIDE], raw[FIGHT * SIDE * SIDE];
    const size_t shown = 2 * SIDE * SIDE;
    struct tensor_list first = {NULL, 0};
    struct fight f;

    (void)state;
    fight_open(&f, &papers);
    for (size_t i = 0; i < FIGHT * SIDE * SIDE; i++)
        x[i] = sinf((float)i);
    memcpy(raw, x, sizeof x);
    assert_int_not_equal(f.objective.raw, f.objective.x);
    assert_ok(tensor_list_copy(&first, &f.replay));
    for (uint64_t step = 0; step < 40; step++)
        assert_ok(rivals_act(&f.rivals, f.plan, step, false));
    for (size_t i = 0; i < f.replay.count; i++) {
        const struct tensor *t = &f.replay.items[i];

        if (memcmp(t->data, first.items[i].data, shape_count(&t->shape) * sizeof *t->data) == 0)
            fail_msg("'%s' has never changed", t->name);
    }
    assert_ok(rivals_show(&f.rivals, 40, x, raw));
    assert_memory_not_equal(raw, x, SIDE * SIDE * sizeof *x);
    assert_memory_not_equal(raw + SIDE * SIDE, x + SIDE * SIDE, SIDE * SIDE * sizeof *x);
    assert_memory_equal(raw + shown, x + shown, sizeof x - shown * sizeof *x);
    tensor_list_release(&first);
    fight_close(&f);
}

/* The raw term at the fine-tuned parameters, less or more a little of one of them. */
static double term_at(struct fight *f, const struct rival_spec *spec, struct tensor *t, size_t i,
                      float change)
{
    const struct tensor_list *const lists[] = {&f->rivals.network};
    struct rival rival = {.plan = NULL};
    float kept = t->data[i];
    double loss = 0;

    t->data[i] += change;
    assert_ok(rival_open(&rival, device, spec, lists, 1));
    assert_ok(rival_look(&rival, f->rivals.x, f->rivals.labels, &loss));
    t->data[i] = kept;
    rival_close(&rival);
    return (double)spec->weight * loss;
}

static void the_gradient_at_a_fine_tuned_f_is_right_and_added_once(void **state)
{
    struct tensor_list before = {NULL, 0}, after = {NULL, 0};
    struct rival_spec spec = {.net = resnet,
                              .front = {.method = WARD_METHOD_BASELINE},
                              .batch = FIGHT / 2,
                              .loss = RIVAL_REFUSED,
                              .weight = papers.beta};
    struct fight f;
    float x[FIGHT * SIDE * SIDE];
    const int32_t labels[FIGHT] = {0, 1, 0, 1, 0, 1, 0, 1};
    size_t compared = 0;

    (void)state;
    fight_open(&f, &papers);
    for (uint64_t step = 0; !f.rivals.has_gradient; step++)
        assert_ok(rivals_act(&f.rivals, f.plan, step, false));
    for (size_t i = 0; i < FIGHT * SIDE * SIDE; i++)
        x[i] = cosf((float)i);
    objective_fill(&f.objective, f.plan, x, labels);
    assert_ok(plan_forward(f.plan));
    assert_ok(plan_backward(f.plan));
    assert_ok(net_velocities(&before, &resnet));
    assert_ok(net_velocities(&after, &resnet));
    assert_ok(params_store(f.plan, PLAN_GRADIENT, &before));
    assert_ok(rivals_add_gradient(&f.rivals, f.plan));
    assert_ok(params_store(f.plan, PLAN_GRADIENT, &after));
    for (size_t p = 0; p < before.count; p++) {
        struct tensor *t = tensor_list_find(&f.rivals.network, before.items[p].name);
        const size_t i = shape_count(&t->shape) / 2;
        const float step = 1e-3f;
        double wanted =
            (term_at(&f, &spec, t, i, step) - term_at(&f, &spec, t, i, -step)) / (2 * (double)step);
        double added = (double)after.items[p].data[i] - (double)before.items[p].data[i];

        if (fabs(added - wanted) > 1e-4 + 0.02 * fabs(wanted))
            fail_msg("'%s' [%zu]: %g was added, expected %g", t->name, i, added, wanted);
        compared += fabs(wanted) > 1e-4;
    }
    assert_true(compared > 0);
    tensor_list_release(&before);
    tensor_list_release(&after);
    fight_close(&f);
}

static void an_adversary_leaves_f_as_it_is(void **state)
{
    struct tensor_list kept = {NULL, 0};
    struct fight f;

    (void)state;
    fight_open(&f, &papers);
    assert_ok(tensor_list_copy(&kept, &f.net.params));
    for (uint64_t step = 0; step < 10; step++)
        assert_ok(rivals_act(&f.rivals, f.plan, step, step % 2 == 0));
    assert_ok(params_store(f.plan, PLAN_VALUE, &kept));
    for (size_t i = 0; i < kept.count; i++)
        assert_memory_equal(kept.items[i].data, f.net.params.items[i].data,
                            shape_count(&kept.items[i].shape) * sizeof(float));
    tensor_list_release(&kept);
    fight_close(&f);
}

/* Of five steps, so that each kind of adversary is likely to have been there. */
static ward_status attempt_fight(void *context)
{
    struct fight *f = context;
    struct tensor_list replay = {NULL, 0};
    const struct rivals_config config = f->rivals.config;
    struct rivals rivals = {.replay = NULL};
    float x[FIGHT * SIDE * SIDE] = {0};
    ward_status st = rivals_init(&rivals, &config, &f->net.params, &replay);

    for (uint64_t step = 0; step < 5 && !st; step++) {
        st = rivals_act(&rivals, f->plan, step, false);
        if (!st)
            st = rivals_show(&rivals, step, x, x);
        if (!st)
            st = rivals_add_gradient(&rivals, f->plan);
    }
    rivals_release(&rivals);
    tensor_list_release(&replay);
    return st;
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct objective_config small = papers;
    struct fight f;

    (void)state;
    small.batch = small.raw_rows = 2;
    small.rival_rows = 1;
    fight_open(&f, &small);
    f.rivals.config.steps = 1;
    assert_true(assert_survives_failing_allocations(attempt_fight, &f) > 50);
    fight_close(&f);
}

/* ---- cost ---- */

static double operations(const struct plan *plan)
{
    struct plan_passes passes = plan_flops(plan);

    return passes.forward + passes.backward;
}

/* Of a step of one adversary of a batch. */
static double cost_of_step(const struct net_spec *net, const struct transform_spec *front,
                           size_t batch)
{
    struct rival_spec spec = {.net = *net, .front = *front, .batch = batch, .weight = 1};
    struct transform made = {.params = {NULL, 0}};
    struct net f = {.params = {NULL, 0}};
    const struct tensor_list *const lists[] = {&f.params, &made.params};
    struct rival rival = {.plan = NULL};
    double cost;

    assert_ok(net_init(&f, net, 1));
    if (front->method != WARD_METHOD_BASELINE)
        assert_ok(transform_init(&made, front, test_seed));
    assert_ok(rival_open(&rival, device, &spec, lists, 2));
    cost = operations(rival.plan);
    rival_close(&rival);
    transform_release(&made);
    net_release(&f);
    return cost;
}

static void a_hardened_training_takes_at_most_four_times_the_operations(void **state)
{
    static const struct {
        const char *recipe, *arch;
        ward_method method;
        unsigned channels, side;
    } cases[] = {{"fast", NULL, WARD_METHOD_KEYED, 1, 28},
                 {"fast", "simple-cnn", WARD_METHOD_GENERATOR, 1, 28},
                 {"demo", "simple-cnn", WARD_METHOD_GENERATOR, 1, 28},
                 {"paper", "simple-cnn", WARD_METHOD_FIXED, 1, 28},
                 {"fast", "simple-cnn", WARD_METHOD_FIXED, 3, 32},
                 {"fast", "resnet20", WARD_METHOD_FIXED, 1, 28},
                 {"fast", "resnet20", WARD_METHOD_FIXED, 3, 32},
                 {"fast", "resnet20", WARD_METHOD_GENERATOR, 3, 32},
                 {"fast", NULL, WARD_METHOD_KEYED, 3, 32}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct plan_options options = {
            .bn = BN_BATCH, .has_dropout = true, .gradients = PLAN_GRAD_PARAMS};
        const ward_dataset_info info = {.classes = 10,
                                        .input = {.channels = cases[i].channels,
                                                  .height = cases[i].side,
                                                  .width = cases[i].side,
                                                  .high = 1}};
        struct objective_config objective;
        struct objective nodes;
        struct transform_spec g, front;
        struct net_spec net;
        ward_train_config config;
        struct plan *plan = NULL;
        struct graph graph;
        double owner, kinds = 0, ratio;

        assert_ok(
            ward_train_defaults(&config, cases[i].recipe, NULL, cases[i].arch, cases[i].method));
        settings_resolve(&config, &info);
        settings_net(&config, &info, &net);
        settings_transform(&config, &info, &g);
        settings_objective(&config, &objective);
        graph_init(&graph);
        assert_ok(objective_build(&graph, &net, &g, &objective, &nodes));
        assert_ok(plan_compile(&plan, device, &graph, &options));
        owner = operations(plan);
        plan_free(plan);
        graph_release(&graph);

        front = (struct transform_spec){.method = WARD_METHOD_LEARNED,
                                        .channels = cases[i].channels,
                                        .height = cases[i].side,
                                        .width = cases[i].side,
                                        .start = 0.1f,
                                        .high = 1,
                                        .generator_width = config.generator_width};
        kinds += 2 * cost_of_step(&net, &front, RIVAL_BATCH);
        front.method = WARD_METHOD_GENERATOR;
        kinds += 2 * cost_of_step(&net, &front, RIVAL_BATCH);
        front.method = WARD_METHOD_BASELINE;
        kinds += cost_of_step(&net, &front, RIVAL_BATCH);
        ratio =
            1 + kinds / 5 * (double)(config.harden_steps + 1) / (double)config.harden_every / owner;
        print_message("# %s, %s, %s, %u x %u x %u: %.2f\n", config.recipe, config.arch,
                      ward_method_name(config.method), cases[i].channels, cases[i].side,
                      cases[i].side, ratio);
        if (ratio > 3.9) /* the rest is for a front that processes a few rows a step */
            fail_msg("case %zu: %.2f times", i, ratio);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_share_others),
        cmocka_unit_test(without_adversaries_their_settings_change_nothing),
        cmocka_unit_test(a_stopped_training_continues_to_the_same_bytes),
        cmocka_unit_test(batches_of_a_few_images_are_enough),
        cmocka_unit_test(a_checkpoint_with_other_adversaries_is_refused),
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(an_adversarys_steps_lower_his_own_loss),
        cmocka_unit_test(fronts_fill_the_replay_and_change_the_first_raw_rows_alone),
        cmocka_unit_test(the_gradient_at_a_fine_tuned_f_is_right_and_added_once),
        cmocka_unit_test(an_adversary_leaves_f_as_it_is),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
        cmocka_unit_test(a_hardened_training_takes_at_most_four_times_the_operations),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
