/*
 * ONNX, written and read back. What other software makes of the files is for tests/cli_onnx.bats
 * and tools/check_onnx.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "compute/device.h"
#include "base/rng.h"
#include "model/run.h"
#include "model_fixture.h"
#include "nn/calibrate.h"
#include "onnx/file.h"
#include "onnx/onnx.h"
#include "onnx/schema.h"
#include "ward/onnx.h"

enum { IMAGES = 6, PIXELS = 64 };

static const char *const archs[] = {"simple-cnn", "resnet8"};

/* ---- runs and files ---- */

/* Batch norm as after a training: no value that would hide a mistake. */
static void train_norms(struct net *net)
{
    struct rng rng;

    rng_init(&rng, 5, RNG_INIT, 0, 0);
    for (size_t i = 0; i < net->params.count; i++) {
        struct tensor *t = &net->params.items[i];

        for (size_t k = 0; t->shape.rank == 1 && k < shape_count(&t->shape); k++)
            t->data[k] = 0.5f + rng_uniform(&rng);
    }
}

static void make_run(const char *arch, ward_method method, const char *name)
{
    struct model m = model_of(arch, method);
    struct run_dir dir = {.path = NULL};

    train_norms(&m.net);
    model_identify(&m);
    assert_ok(run_dir_init(&dir, in_folder(name)));
    assert_ok(file_make_directory(dir.path));
    assert_ok(run_dir_clear(&dir));
    assert_ok(model_write(dir.model, &m));
    if (method != WARD_METHOD_BASELINE) {
        struct transform t = transform_for(&m);
        struct transform_owner owner = owner_of(&m);

        assert_ok(transform_file_write(dir.transform, &t, &owner, NULL));
        transform_release(&t);
    }
    run_dir_release(&dir);
    model_release(&m);
}

static ward_run *open_run(const char *name)
{
    ward_run *run = NULL;

    assert_ok(ward_run_open(&run, in_folder(name)));
    return run;
}

static void export_part(const char *name, const char *file, ward_onnx_part part, bool is_folded)
{
    ward_onnx_options options = {.part = part, .is_folded = is_folded, .replaces = true};
    ward_run *run = open_run(name);

    assert_ok(ward_onnx_export(run, in_folder(file), &options));
    ward_run_close(run);
}

struct bytes {
    uint8_t *data;
    size_t len;
};

static struct bytes read_bytes(const char *file)
{
    struct bytes b = {NULL, 0};

    assert_ok(file_read(in_folder(file), ONNX_MAX_FILE, &b.data, &b.len));
    return b;
}

static struct bytes network_bytes(const char *arch, bool is_folded)
{
    make_run(arch, WARD_METHOD_BASELINE, "run");
    export_part("run", "f.onnx", WARD_ONNX_NETWORK, is_folded);
    return read_bytes("f.onnx");
}

/* The first place of a text; fails if there is none. */
static uint8_t *find(struct bytes b, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= b.len; i++)
        if (memcmp(b.data + i, text, strlen(text)) == 0)
            return b.data + i;
    fail_msg("'%s' is not in the file", text);
    return NULL;
}

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i * 37 % 101) / 100;
}

static void logits_of(const char *name, float logits[IMAGES * 2])
{
    float x[IMAGES * PIXELS];
    ward_device *device = NULL;
    ward_session *session = NULL;
    ward_run *run = open_run(name);

    fill(x, IMAGES * PIXELS);
    assert_ok(ward_device_open(&device, "ref"));
    assert_ok(ward_session_new(&session, run, device, IMAGES));
    assert_ok(session_run(session, PASS_RAW, IMAGES, x, logits));
    ward_session_free(session);
    ward_device_close(device);
    ward_run_close(run);
}

static void assert_near(const float *a, const float *b, size_t count, float tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(a[i] - b[i]) <= tolerance))
            fail_msg("value %zu is %g, not %g", i, (double)b[i], (double)a[i]);
}

/* ---- there and back ---- */

static void test_a_network_comes_back_with_the_same_weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bytes b = network_bytes(archs[i], false);
        struct net net = {.params = {NULL, 0}};
        ward_run *run = open_run("run");

        assert_ok(onnx_net_parse(b.data, b.len, &net));
        assert_string_equal(net.spec.arch, archs[i]);
        if (!lists_are_equal(&net.params, &run->model.net.params))
            fail_msg("%s has other parameters", archs[i]);
        net_release(&net);
        ward_run_close(run);
        mem_free(b.data);
    }
}

static void test_an_imported_network_computes_the_same(void **state)
{
    float wanted[IMAGES * 2], got[IMAGES * 2];
    ward_onnx_found found;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        bool is_folded = i % 2;
        struct bytes b = network_bytes(archs[i / 2], is_folded);

        logits_of("run", wanted);
        assert_ok(ward_onnx_import(in_folder("f.onnx"), in_folder("imported"), NULL, true, &found));
        assert_int_equal(found.is_folded, is_folded && i / 2 == 1);
        assert_int_equal(found.method, WARD_METHOD_BASELINE);
        logits_of("imported", got);
        assert_near(wanted, got, IMAGES * 2, 1e-4f);
        mem_free(b.data);
    }
}

static void test_an_imported_run_knows_classes_and_range(void **state)
{
    struct bytes b = network_bytes("resnet8", true);
    ward_run_info info;
    ward_run *run;

    (void)state;
    assert_ok(ward_onnx_import(in_folder("f.onnx"), in_folder("imported"), NULL, true, NULL));
    run = open_run("imported");
    ward_run_describe(run, &info);
    assert_string_equal(info.class_names[1], "right");
    assert_string_equal(info.data, "arrows");
    assert_true(info.high > 0.5f && info.low < 0.5f);
    ward_run_close(run);
    mem_free(b.data);
}

static void test_a_protected_network_comes_back_as_a_baseline_that_says_so(void **state)
{
    ward_onnx_found found;
    ward_run_info info;
    ward_run *run;

    (void)state;
    make_run("resnet8", WARD_METHOD_GENERATOR, "run");
    export_part("run", "f.onnx", WARD_ONNX_NETWORK, false);
    assert_ok(ward_onnx_import(in_folder("f.onnx"), in_folder("imported"), NULL, true, &found));
    assert_int_equal(found.method, WARD_METHOD_GENERATOR);
    run = open_run("imported");
    ward_run_describe(run, &info);
    assert_int_equal(info.method, WARD_METHOD_BASELINE);
    ward_run_close(run);
}

/* ---- what the files say, and to whom ---- */

static const char *note(const struct onnx_file *file, const char *key)
{
    return json_string_value(json_object_get(file->notes, key));
}

static void test_every_part_says_what_it_is(void **state)
{
    static const struct {
        ward_onnx_part part;
        const char *name, *is_secret, *input, *output;
        unsigned mode;
    } cases[] = {
        {WARD_ONNX_NETWORK, "network", "false", "processed", "logits", 0644},
        {WARD_ONNX_TRANSFORM, "transform", "true", "raw", "processed", 0600},
        {WARD_ONNX_JOINED, "joined", "true", "raw", "logits", 0600},
    };

    (void)state;
    umask(022);
    make_run("simple-cnn", WARD_METHOD_LEARNED, "run");
    for (size_t i = 0; i < 3; i++) {
        struct onnx_file file = {.notes = NULL};
        ward_run *run = open_run("run");
        struct bytes b;

        export_part("run", "p.onnx", cases[i].part, false);
        b = read_bytes("p.onnx");
        assert_ok(onnx_file_parse(&file, b.data, b.len));
        assert_string_equal(note(&file, "part"), cases[i].name);
        assert_string_equal(note(&file, "is_secret"), cases[i].is_secret);
        assert_int_equal(strncmp(note(&file, "input"), cases[i].input, strlen(cases[i].input)), 0);
        assert_string_equal(note(&file, "model_id"), run->model.id);
        assert_string_equal(note(&file, "method"), "learned");
        assert_true(onnx_text_is(file.output, cases[i].output));
        assert_int_equal(mode_of(in_folder("p.onnx")), cases[i].mode);
        onnx_file_release(&file);
        ward_run_close(run);
        mem_free(b.data);
    }
}

static void test_nothing_of_the_transform_is_in_the_network(void **state)
{
    struct bytes b;

    (void)state;
    make_run("simple-cnn", WARD_METHOD_LEARNED, "run");
    export_part("run", "p.onnx", WARD_ONNX_NETWORK, false);
    b = read_bytes("p.onnx");
    for (size_t i = 0; i + 10 < b.len; i++)
        assert_int_not_equal(memcmp(b.data + i, "transform.", 10), 0);
    mem_free(b.data);
}

static void test_what_the_run_does_not_have_is_not_exported(void **state)
{
    ward_onnx_options options = {.part = WARD_ONNX_JOINED};
    ward_run *run;

    (void)state;
    make_run("simple-cnn", WARD_METHOD_BASELINE, "run");
    run = open_run("run");
    assert_fails(ward_onnx_export(run, in_folder("none.onnx"), &options), WARD_ERR_ARG,
                 "no transform");
    options.part = (ward_onnx_part)7;
    assert_fails(ward_onnx_export(run, in_folder("none.onnx"), &options), WARD_ERR_ARG, "part 7");
    assert_false(file_exists(in_folder("none.onnx")));
    ward_run_close(run);
}

static void test_nothing_is_overwritten_unasked(void **state)
{
    ward_onnx_options options = {.part = WARD_ONNX_NETWORK};
    struct bytes b = network_bytes("resnet8", false);
    ward_run *run = open_run("run");

    (void)state;
    assert_fails(ward_onnx_export(run, in_folder("f.onnx"), &options), WARD_ERR_EXISTS, "f.onnx");
    assert_fails(ward_onnx_import(in_folder("f.onnx"), in_folder("run"), NULL, false, NULL),
                 WARD_ERR_EXISTS, "already holds a run");
    ward_run_close(run);
    mem_free(b.data);
}

/* ---- what is refused ---- */

static void test_files_with_a_transform_are_refused(void **state)
{
    (void)state;
    make_run("simple-cnn", WARD_METHOD_FIXED, "run");
    for (int part = WARD_ONNX_TRANSFORM; part <= WARD_ONNX_JOINED; part++) {
        export_part("run", "g.onnx", (ward_onnx_part)part, false);
        assert_fails(ward_onnx_import(in_folder("g.onnx"), in_folder("new"), NULL, false, NULL),
                     WARD_ERR_FORMAT, "it has a transform");
    }
    assert_false(file_exists(in_folder("new")));
}

static void test_an_unknown_operator_is_refused_by_name(void **state)
{
    struct bytes b = network_bytes("resnet8", false);
    struct net net = {.params = {NULL, 0}};

    (void)state;
    /* The operator's field, not the node's name that it is in, too. */
    memcpy(find(b, "\"\004Relu") + 2, "Selu", 4);
    assert_fails(onnx_net_parse(b.data, b.len, &net), WARD_ERR_FORMAT, "operator 'Selu'");
    assert_null(net.params.items);
    mem_free(b.data);
}

/* ONNX's own Softplus has no beta, and only an adversary's copy of a network has one. */
static void test_softplus_is_not_written(void **state)
{
    struct onnx_source source = {.name = "soft", .result_name = "y", .description = ""};
    struct wr bytes = WR_INIT;
    struct graph g;

    (void)state;
    graph_init(&g);
    source.graph = &g;
    source.result = graph_softplus(&g, graph_input(&g, (struct dims){1, 1, 2, 2}), 1);
    assert_fails(onnx_write(&bytes, &source), WARD_ERR_ARG,
                 "a model cannot have the operator Softplus");
    graph_release(&g);
}

/* Change the bytes after a text, and see what is said. */
static void assert_refused_after(const char *arch, const char *text, size_t skip, const char *bytes,
                                 size_t len, const char *message)
{
    struct bytes b = network_bytes(arch, false);
    struct net net = {.params = {NULL, 0}};

    memcpy(find(b, text) + skip, bytes, len);
    assert_fails(onnx_net_parse(b.data, b.len, &net), WARD_ERR_FORMAT, message);
    assert_null(net.params.items);
    mem_free(b.data);
}

static void test_networks_of_another_make_are_refused(void **state)
{
    (void)state;
    /* Integers of an attribute stand before its name: "strides" of the first convolution. */
    assert_refused_after("resnet8", "@\001@\001\n\007strides", 0, "@\002@\002", 4, "strides of 1");
    assert_refused_after("resnet8", "@\001@\001@\001@\001\n\004pads", 0, "@\000", 2, "pads of 1");
    assert_refused_after("simple-cnn", "@\002@\002\n\014kernel_shape", 0, "@\003@\003", 4,
                         "kernel_shape of 2");
    assert_refused_after("simple-cnn", "\030\001\n\006transB", 1, "\000", 1, "transB of 1");
    assert_refused_after("simple-cnn", "\"\007MaxPool", 2, "Flatten", 7, "MaxPool expected");
    assert_refused_after("simple-cnn", "\"\004Gemm", 2, "Conv", 4, "no network known here has 3");
    assert_refused_after("simple-cnn", "\n\010fc1.bias", 2, "fc2.bias", 8, "another shape");
    assert_refused_after("resnet8", "\n\005input\022", 2, "inptu", 5, "before it is computed");
}

/* ---- a mean in the place of a pool ---- */

static void put_field(struct wr *wr, const struct proto_field *f)
{
    if (f->type == PROTO_VARINT)
        proto_put_int(wr, f->number, f->value);
    else
        proto_put_bytes(wr, f->number, f->data, f->len);
}

/* The node that gives the mean over these axes instead of being a pool. */
static void put_mean(struct wr *graph, const struct proto_field *pool, int64_t a, int64_t b)
{
    struct wr node = WR_INIT, axes = WR_INIT;
    struct proto_field f;
    struct rd rd;

    rd_init(&rd, pool->data, pool->len);
    while (proto_next(&rd, &f))
        if (f.number != NODE_OP_TYPE)
            put_field(&node, &f);
    proto_put_int(&axes, ATTRIBUTE_INTS, (uint64_t)a);
    proto_put_int(&axes, ATTRIBUTE_INTS, (uint64_t)b);
    proto_put_text(&axes, ATTRIBUTE_NAME, "axes");
    proto_put_int(&axes, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INTS);
    proto_put_text(&node, NODE_OP_TYPE, "ReduceMean");
    proto_put_message(&node, NODE_ATTRIBUTE, &axes);
    proto_put_message(graph, GRAPH_NODE, &node);
}

static bool is_pool(const struct proto_field *node)
{
    static const char op[] = "GlobalAveragePool";

    return node->number == GRAPH_NODE && memmem(node->data, node->len, op, sizeof op - 1) != NULL;
}

static ward_status parse_mean(struct bytes b, int64_t first, int64_t second)
{
    struct wr model = WR_INIT, graph = WR_INIT;
    struct net net = {.params = {NULL, 0}};
    struct proto_field f, part;
    struct rd rd, inner;
    ward_status st;

    rd_init(&rd, b.data, b.len);
    while (proto_next(&rd, &f)) {
        if (f.number != MODEL_GRAPH) {
            put_field(&model, &f);
            continue;
        }
        rd_init(&inner, f.data, f.len);
        while (proto_next(&inner, &part))
            if (is_pool(&part))
                put_mean(&graph, &part, first, second);
            else
                put_field(&graph, &part);
        proto_put_message(&model, MODEL_GRAPH, &graph);
    }
    assert_ok(wr_finish(&model));
    st = onnx_net_parse(model.data, model.len, &net);
    net_release(&net);
    wr_release(&model);
    return st;
}

static void test_a_mean_is_over_height_and_width(void **state)
{
    static const int64_t right[][2] = {{2, 3}, {3, 2}, {-2, -1}, {-1, 2}};
    static const int64_t wrong[][2] = {{2, 2}, {0, 1}, {2, 7}, {3, 6}, {2, -5}, {INT64_MAX, -1}};
    struct bytes b = network_bytes("resnet8", false);

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_ok(parse_mean(b, right[i][0], right[i][1]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(parse_mean(b, wrong[i][0], wrong[i][1]), WARD_ERR_FORMAT,
                     "the mean over height and width expected");
    mem_free(b.data);
}

static void test_values_that_are_no_numbers_are_refused(void **state)
{
    struct bytes b = network_bytes("simple-cnn", false);
    struct net net = {.params = {NULL, 0}};
    const float nan = NAN;

    (void)state;
    /* dims, type and name; then the values, with their tag and a length of two bytes. */
    memcpy(find(b, "B\014conv1.weightJ") + 17, &nan, sizeof nan);
    assert_fails(onnx_net_parse(b.data, b.len, &net), WARD_ERR_FORMAT, "not finite");
    mem_free(b.data);
}

static void test_another_data_set_is_refused(void **state)
{
    struct bytes b = network_bytes("simple-cnn", false);

    (void)state;
    /* As if written by other software. */
    memcpy(find(b, "ward-onnx"), "else-onnx", 9);
    put_file(in_folder("else.onnx"), b.data, b.len);
    assert_fails(ward_onnx_import(in_folder("else.onnx"), in_folder("new"), NULL, false, NULL),
                 WARD_ERR_ARG, "name the data set");
    assert_false(file_exists(in_folder("new")));
    mem_free(b.data);
}

static void test_metadata_that_describe_another_network_are_refused(void **state)
{
    struct bytes b = network_bytes("simple-cnn", false);

    (void)state;
    memcpy(find(b, "[1, 8, 8]"), "[1, 8, 9]", 9);
    put_file(in_folder("other.onnx"), b.data, b.len);
    assert_fails(ward_onnx_import(in_folder("other.onnx"), in_folder("new"), NULL, false, NULL),
                 WARD_ERR_FORMAT, "another network");
    mem_free(b.data);
}

static void test_another_epsilon_goes_into_the_variance(void **state)
{
    struct bytes b = network_bytes("resnet8", false);
    struct net before = {.params = {NULL, 0}}, after = {.params = {NULL, 0}};
    const float epsilon = 0.25f;
    float old, new;

    (void)state;
    assert_ok(onnx_net_parse(b.data, b.len, &before));
    memcpy(find(b, "\n\007epsilon") - sizeof epsilon, &epsilon, sizeof epsilon);
    assert_ok(onnx_net_parse(b.data, b.len, &after));
    old = tensor_list_find(&before.params, "bn1.running_var")->data[3];
    new = tensor_list_find(&after.params, "bn1.running_var")->data[3];
    assert_near(&(float){old + epsilon - 1e-5f}, &new, 1, 1e-6f);
    net_release(&before);
    net_release(&after);
    mem_free(b.data);
}

/* Where the graph ends; after it, what is cut off is only metadata. */
static size_t graph_end(struct bytes b)
{
    struct proto_field field;
    struct rd rd;

    rd_init(&rd, b.data, b.len);
    while (proto_next(&rd, &field))
        if (field.number == MODEL_GRAPH)
            return (size_t)(field.data - b.data) + field.len;
    fail_msg("no graph");
    return 0;
}

static void test_a_file_that_was_cut_off_is_refused(void **state)
{
    struct bytes b = network_bytes("resnet8", false);
    size_t end = graph_end(b);

    (void)state;
    for (size_t len = 0; len < end; len += len < 8000 || end - len < 2000 ? 1 : 997) {
        struct net net = {.params = {NULL, 0}};
        uint8_t *copy;

        /* In a block of its own, so that the sanitizers see a byte too many. */
        assert_ok(mem_new(&copy, len, 1));
        memcpy(copy, b.data, len);
        if (onnx_net_parse(copy, len, &net) != WARD_ERR_FORMAT)
            fail_msg("%zu of %zu bytes: %s", len, b.len, ward_error_message());
        mem_free(copy);
    }
    mem_free(b.data);
}

static void test_random_damage_is_refused_or_harmless(void **state)
{
    struct bytes b = network_bytes("resnet8", true);
    size_t head = 6000; /* nodes and names; further on there are mostly weights */
    struct rng rng;

    (void)state;
    rng_init(&rng, 11, RNG_INIT, 0, 0);
    for (unsigned n = 0; n < 4000; n++) {
        struct net net = {.params = {NULL, 0}};
        size_t at = rng_u32(&rng) % head;
        uint8_t old = b.data[at];
        ward_status st;

        b.data[at] ^= (uint8_t)(1u << rng_u32(&rng) % 8);
        st = onnx_net_parse(b.data, b.len, &net);
        if (st != WARD_OK && st != WARD_ERR_FORMAT)
            fail_msg("byte %zu: %s (%s)", at, ward_status_name(st), ward_error_message());
        net_release(&net);
        b.data[at] = old;
    }
    mem_free(b.data);
}

/* ---- calibration ---- */

static void run_net(const struct net *net, enum bn_mode bn, const float *x, float *y)
{
    const struct tensor_list *const lists[] = {&net->params};
    struct plan_options options = {.bn = bn, .output_count = 1};
    struct dims dims = {IMAGES, 1, 8, 8};
    ward_device *device = NULL;
    struct plan *plan = NULL;
    struct graph g;

    graph_init(&g);
    options.outputs[0] = net_build(&net->spec, &g, graph_input(&g, dims), (struct net_use){0});
    assert_ok(ward_device_open(&device, "ref"));
    assert_ok(plan_compile(&plan, device, &g, &options));
    assert_ok(params_load(plan, lists, 1));
    memcpy(plan_input(plan, 0), x, IMAGES * PIXELS * sizeof *x);
    assert_ok(plan_forward(plan));
    memcpy(y, plan_output(plan, options.outputs[0]), IMAGES * 2 * sizeof *y);
    plan_free(plan);
    ward_device_close(device);
    graph_release(&g);
}

static void test_a_calibrated_network_computes_the_same_also_by_the_batch(void **state)
{
    struct bytes b = network_bytes("resnet8", true);
    float x[IMAGES * PIXELS], before[IMAGES * 2], after[IMAGES * 2], by_batch[IMAGES * 2];
    struct net net = {.params = {NULL, 0}};
    ward_device *device = NULL;
    bool is_neutral = false;

    (void)state;
    fill(x, IMAGES * PIXELS);
    assert_ok(onnx_net_parse(b.data, b.len, &net));
    assert_ok(net_is_neutral(&net, &is_neutral));
    assert_true(is_neutral);
    run_net(&net, BN_RUNNING, x, before);
    assert_ok(ward_device_open(&device, "cpu"));
    assert_ok(net_calibrate(&net, device, IMAGES, x));
    ward_device_close(device);
    assert_ok(net_is_neutral(&net, &is_neutral));
    assert_false(is_neutral);
    run_net(&net, BN_RUNNING, x, after);
    assert_near(before, after, IMAGES * 2, 1e-3f);
    run_net(&net, BN_BATCH, x, by_batch);
    assert_near(before, by_batch, IMAGES * 2, 1e-3f);
    net_release(&net);
    mem_free(b.data);
}

/* ---- memory ---- */

static ward_status attempt_parse(void *context)
{
    const struct bytes *b = context;
    struct net net = {.params = {NULL, 0}};
    ward_status st = onnx_net_parse(b->data, b->len, &net);

    net_release(&net);
    return st;
}

static ward_status attempt_export(void *context)
{
    ward_onnx_options options = {.part = WARD_ONNX_JOINED, .is_folded = true, .replaces = true};

    return ward_onnx_export(context, in_folder("alloc.onnx"), &options);
}

static void test_every_failing_allocation_is_reported(void **state)
{
    struct bytes b = network_bytes("resnet8", true);
    ward_run *run;

    (void)state;
    assert_true(assert_survives_failing_allocations(attempt_parse, &b) > 10);
    make_run("resnet8", WARD_METHOD_GENERATOR, "run");
    run = open_run("run");
    assert_true(assert_survives_failing_allocations(attempt_export, run) > 10);
    ward_run_close(run);
    mem_free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_network_comes_back_with_the_same_weights),
        cmocka_unit_test(test_an_imported_network_computes_the_same),
        cmocka_unit_test(test_an_imported_run_knows_classes_and_range),
        cmocka_unit_test(test_a_protected_network_comes_back_as_a_baseline_that_says_so),
        cmocka_unit_test(test_every_part_says_what_it_is),
        cmocka_unit_test(test_nothing_of_the_transform_is_in_the_network),
        cmocka_unit_test(test_what_the_run_does_not_have_is_not_exported),
        cmocka_unit_test(test_nothing_is_overwritten_unasked),
        cmocka_unit_test(test_files_with_a_transform_are_refused),
        cmocka_unit_test(test_an_unknown_operator_is_refused_by_name),
        cmocka_unit_test(test_softplus_is_not_written),
        cmocka_unit_test(test_networks_of_another_make_are_refused),
        cmocka_unit_test(test_a_mean_is_over_height_and_width),
        cmocka_unit_test(test_values_that_are_no_numbers_are_refused),
        cmocka_unit_test(test_another_data_set_is_refused),
        cmocka_unit_test(test_metadata_that_describe_another_network_are_refused),
        cmocka_unit_test(test_another_epsilon_goes_into_the_variance),
        cmocka_unit_test(test_a_file_that_was_cut_off_is_refused),
        cmocka_unit_test(test_random_damage_is_refused_or_harmless),
        cmocka_unit_test(test_a_calibrated_network_computes_the_same_also_by_the_batch),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
