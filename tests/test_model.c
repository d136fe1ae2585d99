/*
 * What a run has on disk of its networks: the public model, and the secret files.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_test.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/util.h"
#include "model/frame.h"
#include "model/safetensors.h"
#include "run_fixture.h"

/* ---- the public model ---- */

static void a_model_comes_back_whole(void **state)
{
    static const char *const archs[] = {"simple-cnn", "resnet8"};
    const char *path = in_folder("a.safetensors");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct model m = model_of(archs[i], WARD_METHOD_FIXED), back = {.data = NULL};

        assert_ok(model_write(path, &m));
        assert_ok(model_read(path, &back));
        assert_true(lists_are_equal(&m.net.params, &back.net.params));
        assert_memory_equal(&m.net.spec, &back.net.spec, sizeof m.net.spec);
        assert_int_equal(back.method, WARD_METHOD_FIXED);
        assert_string_equal(back.data, "arrows");
        assert_string_equal(back.class_names[0], "left");
        assert_string_equal(back.class_names[1], "right");
        assert_true(back.low == 0.0f && back.high == 1.0f);
        assert_string_equal(back.id, m.id);
        model_release(&m);
        model_release(&back);
    }
}

static void values_survive_bit_by_bit(void **state)
{
    const char *path = in_folder("bits.safetensors");
    struct model m = model_of("resnet8", WARD_METHOD_BASELINE), back = {.data = NULL};
    const float hard[] = {1e-45f, -0.0f, 3.4028235e38f, 0.1f, -1.17549435e-38f};

    (void)state;
    memcpy(m.net.params.items[0].data, hard, sizeof hard);
    m.low = -1.0f / 3;
    m.high = 0.1f;
    model_identify(&m);
    assert_ok(model_write(path, &m));
    assert_ok(model_read(path, &back));
    assert_memory_equal(back.net.params.items[0].data, hard, sizeof hard);
    assert_true(back.low == m.low && back.high == m.high);
    model_release(&m);
    model_release(&back);
}

static void the_digest_names_all_that_the_model_is(void **state)
{
    const char *const other_names[] = {"left", "down"};
    struct model m = model_of("resnet8", WARD_METHOD_FIXED), same;
    char id[MODEL_ID_LEN + 1];

    (void)state;
    memcpy(id, m.id, sizeof id);
    same = model_of("resnet8", WARD_METHOD_FIXED);
    assert_string_equal(same.id, id);
    mem_free(same.data);
    mem_free(same.class_names);
    assert_ok(model_describe(&same, "another", 0.0f, 1.0f, (const char *const *)m.class_names, 2));
    model_identify(&same);
    assert_string_equal(same.id, id); /* where the images came from is not what the model is */

    mem_free(same.data);
    mem_free(same.class_names);
    assert_ok(model_describe(&same, "arrows", 0.0f, 1.0f, other_names, 2));
    model_identify(&same);
    assert_string_not_equal(same.id, id);
    model_release(&same);

    m.method = WARD_METHOD_LEARNED;
    model_identify(&m);
    assert_string_not_equal(m.id, id);
    m.method = WARD_METHOD_FIXED;
    m.low = -1.0f;
    model_identify(&m);
    assert_string_not_equal(m.id, id);
    m.low = 0.0f;
    m.net.params.items[3].data[0] += 1.0f;
    model_identify(&m);
    assert_string_not_equal(m.id, id);
    m.net.params.items[3].data[0] -= 1.0f;
    model_identify(&m);
    assert_string_equal(m.id, id);
    model_release(&m);
}

/* Worked out by tests/model_id.py from docs/formats.md alone. */
static void the_digest_is_the_documented_one(void **state)
{
    struct model m = model_of("simple-cnn", WARD_METHOD_GENERATOR);

    (void)state;
    for (size_t i = 0; i < m.net.params.count; i++)
        for (size_t j = 0; j < shape_count(&m.net.params.items[i].shape); j++)
            m.net.params.items[i].data[j] = 0.25f * (float)((i + j) % 7);
    model_identify(&m);
    assert_string_equal(m.id, "c3124b95155c7b7db9c5f7a32e0f075e96a2bbbb530db97f1a233a94ece6c2f2");
    model_release(&m);
}

/* The parts of a model file, to be put together wrongly. */
struct pieces {
    struct tensor_list tensors;
    json_t *metadata;
};

static struct pieces pieces_of_a_model(void)
{
    struct model m = model_of("resnet8", WARD_METHOD_GENERATOR);
    struct pieces p = {{NULL, 0}, NULL};
    const char *path = in_folder("whole.safetensors");
    uint8_t *data;
    size_t len;

    if (!file_exists(path))
        assert_ok(model_write(path, &m));
    assert_ok(file_read(path, SAFETENSORS_MAX_FILE, &data, &len));
    assert_ok(safetensors_parse(&p.tensors, &p.metadata, data, len));
    mem_free(data);
    model_release(&m);
    return p;
}

/* Put them together and read the result; the pieces are released. */
static ward_status read_pieces(struct pieces *p, struct model *m)
{
    const struct safetensors_part part = {"", &p->tensors};
    struct file_piece pieces[128];
    struct wr file = WR_INIT;
    ward_status st;

    assert_true(p->tensors.count <= 128);
    assert_ok(safetensors_header(&file, &part, 1, p->metadata));
    safetensors_pieces(&part, 1, pieces);
    for (size_t i = 0; i < p->tensors.count; i++)
        wr_bytes(&file, pieces[i].data, pieces[i].len);
    assert_ok(wr_finish(&file));
    st = model_parse(file.data, file.len, m);
    wr_release(&file);
    json_decref(p->metadata);
    tensor_list_release(&p->tensors);
    return st;
}

static void parameters_in_another_order_are_put_in_order(void **state)
{
    struct model m = model_of("resnet8", WARD_METHOD_GENERATOR), back = {.data = NULL};
    struct pieces p = pieces_of_a_model();
    struct tensor first = p.tensors.items[0];

    (void)state;
    p.tensors.items[0] = p.tensors.items[p.tensors.count - 1];
    p.tensors.items[p.tensors.count - 1] = first;
    assert_ok(read_pieces(&p, &back));
    assert_true(lists_are_equal(&m.net.params, &back.net.params));
    model_release(&m);
    model_release(&back);
}

static void rename_first(struct pieces *p)
{
    p->tensors.items[0].name[0] = 'X';
}
static void reshape_first(struct pieces *p)
{
    p->tensors.items[0].shape = shape_make(1, shape_count(&p->tensors.items[0].shape), 1, 1, 1);
}
static void put_nan(struct pieces *p)
{
    p->tensors.items[2].data[1] = NAN;
}
static void put_infinity(struct pieces *p)
{
    p->tensors.items[2].data[1] = -INFINITY;
}
static void change_value(struct pieces *p)
{
    p->tensors.items[2].data[1] += 1;
}
static void add_tensor(struct pieces *p)
{
    add(&p->tensors, "extra", shape_make(1, 1, 1, 1, 1), 0);
}

static void a_model_with_wrong_tensors_is_refused(void **state)
{
    static const struct {
        void (*damage)(struct pieces *p);
        const char *message;
    } cases[] = {
        {rename_first, "is missing"},
        {reshape_first, "another shape"},
        {put_nan, "not finite"},
        {put_infinity, "not finite"},
        {change_value, "its model_id is not"},
        {add_tensor, "'extra' does not belong"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pieces p = pieces_of_a_model();
        struct model m = {.data = NULL};

        cases[i].damage(&p);
        assert_fails(read_pieces(&p, &m), WARD_ERR_FORMAT, cases[i].message);
        assert_null(m.data);
    }
}

static void a_model_with_wrong_metadata_is_refused(void **state)
{
    static const struct {
        const char *key, *value; /* value NULL: without the key */
        const char *message;
    } cases[] = {
        {"format", "onnx", "'format' is 'onnx'"},
        {"format", NULL, "'format' is missing"},
        {"format_version", "2", "'format_version' is '2'"},
        {"architecture", NULL, "'architecture' is missing"},
        {"architecture", "vgg", "unknown architecture"},
        {"architecture", "0123456789012345678901234567890123456789", "unknown architecture"},
        {"method", "magic", "unknown method 'magic'"},
        {"method", NULL, "'method' is missing"},
        {"method", "fixed", "model_id"},
        {"data", NULL, "'data' is missing"},
        {"data", "", "data set's name"},
        {"data", "a\nb", "data set's name"},
        {"input_shape", NULL, "'input_shape' is missing"},
        {"input_shape", "[1, 8]", "not three numbers"},
        {"input_shape", "[1, 8, 0]", "whole numbers"},
        {"input_shape", "[1, 8, \"8\"]", "whole numbers"},
        {"input_shape", "{}", "JSON array"},
        {"input_shape", "[1, 8", "JSON array"},
        {"input_shape", "[1, 9223372036854775807, 9223372036854775807]", "too large"},
        {"input_shape", "[3, 8, 8]", "another shape"},
        {"input_range", "[0.0]", "'input_range' is not"},
        {"input_range", "[1.0, 0.0]", "'input_range' is not"},
        {"input_range", "[0.0, \"1\"]", "'input_range' is not"},
        {"input_range", "[0.0, 1e39]", "'input_range' is not"},
        {"input_range", "[0.0, 2.0]", "model_id"},
        {"class_names", "[\"a\"]", "1 classes"},
        {"class_names", "[\"a\", 1]", "not a string"},
        {"class_names", "[\"a\", \"\"]", "the name of class 1"},
        {"class_names", "[\"left\", \"up\"]", "model_id"},
        {"model_id", NULL, "'model_id' is missing"},
        {"model_id", "00", "model_id"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pieces p = pieces_of_a_model();
        struct model m = {.data = NULL};

        if (cases[i].value)
            json_object_set_new(p.metadata, cases[i].key, json_string(cases[i].value));
        else
            json_object_del(p.metadata, cases[i].key);
        assert_fails(read_pieces(&p, &m), WARD_ERR_FORMAT, cases[i].message);
        assert_null(m.data);
    }
}

static void a_model_that_is_not_finite_is_not_written(void **state)
{
    const char *path = in_folder("nan.safetensors");
    struct model m = model_of("resnet8", WARD_METHOD_BASELINE);

    (void)state;
    m.net.params.items[1].data[0] = INFINITY;
    assert_fails(model_write(path, &m), WARD_ERR_NUMERIC, "not finite");
    assert_false(file_exists(path));
    model_release(&m);
}

static void a_missing_or_damaged_file_is_named(void **state)
{
    struct model m = {.data = NULL};

    (void)state;
    put_file(in_folder("damaged"), "PK", 2);
    assert_fails(model_read(in_folder("damaged"), &m), WARD_ERR_FORMAT, "damaged': not a");
    assert_fails(model_read(in_folder("nowhere"), &m), WARD_ERR_IO, "nowhere");
}

/* ---- secrecy ---- */

static bool contains(const uint8_t *data, size_t len, const void *what, size_t what_len)
{
    return memmem(data, len, what, what_len) != NULL;
}

static void a_public_file_holds_nothing_of_the_transform(void **state)
{
    static const ward_method methods[] = {WARD_METHOD_FIXED, WARD_METHOD_LEARNED,
                                          WARD_METHOD_GENERATOR};
    const char *path = in_folder("public.safetensors");

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct model m = model_of("resnet8", methods[k]);
        struct transform t = transform_for(&m);
        char hex[2 * TRANSFORM_SEED_LEN + 1];
        uint8_t *data;
        size_t len;

        assert_ok(model_write(path, &m));
        assert_ok(file_read(path, SAFETENSORS_MAX_FILE, &data, &len));
        hex_encode(t.seed, sizeof t.seed, hex);
        assert_false(contains(data, len, t.seed, 8));
        assert_false(contains(data, len, hex, 16));
        assert_false(contains(data, len, "transform", 9));
        assert_false(contains(data, len, "seed", 4));
        for (size_t i = 0; i < t.params.count; i++) {
            const struct tensor *p = &t.params.items[i];

            /* Biases start as zeros, which are everywhere. */
            for (size_t j = 0; j + 4 <= shape_count(&p->shape); j += 4)
                if (p->data[j] != 0 && p->data[j + 1] != 0 && p->data[j + 2] != 0)
                    assert_false(contains(data, len, p->data + j, 4 * sizeof(float)));
        }
        mem_free(data);
        transform_release(&t);
        model_release(&m);
    }
}

static void secret_files_are_private_and_public_ones_are_not(void **state)
{
    struct model m = model_of("resnet8", WARD_METHOD_LEARNED);
    struct transform t = transform_for(&m);
    struct transform_owner owner = owner_of(&m);
    struct checkpoint c;
    struct run_dir dir = {.path = NULL};
    ward_train_config config;
    mode_t old = umask(0022);

    (void)state;
    assert_ok(file_make_directory(in_folder("modes")));
    assert_ok(run_dir_init(&dir, in_folder("modes")));
    assert_false(run_dir_is_used(&dir));
    checkpoint_fill(&c, WARD_METHOD_LEARNED);
    config = every_setting();
    for (int again = 0; again < 2; again++) { /* replacing keeps the mode */
        assert_ok(model_write(dir.model, &m));
        assert_ok(transform_file_write(dir.transform, &t, &owner, NULL));
        assert_ok(checkpoint_write(dir.checkpoint, &c, NULL));
        assert_ok(run_config_write(&dir, &config));
        assert_int_equal(mode_of(dir.model), 0644);
        assert_int_equal(mode_of(dir.transform), 0600);
        assert_int_equal(mode_of(dir.checkpoint), 0600);
        assert_int_equal(mode_of(dir.config), 0600);
    }
    assert_true(run_dir_is_used(&dir));
    assert_false(run_dir_is_complete(&dir));
    assert_ok(run_dir_remove_checkpoint(&dir));
    assert_ok(run_dir_remove_checkpoint(&dir));
    assert_true(run_dir_is_complete(&dir));
    assert_ok(run_dir_clear(&dir));
    assert_false(run_dir_is_used(&dir));
    umask(old);
    checkpoint_release(&c);
    transform_release(&t);
    model_release(&m);
    run_dir_release(&dir);
}

/* ---- transform.ward ---- */

static void a_transform_comes_back_whole(void **state)
{
    const char *path = in_folder("back.ward");

    (void)state;
    for (int method = WARD_METHOD_FIXED; method <= WARD_METHOD_GENERATOR; method++) {
        struct model m = model_of("resnet8", (ward_method)method);
        struct transform t = transform_for(&m), back = {.params = {NULL, 0}};
        struct transform_owner owner = owner_of(&m), of;

        owner.is_reproducible = method == WARD_METHOD_LEARNED;
        assert_ok(transform_file_write(path, &t, &owner, NULL));
        assert_ok(transform_file_read(path, NULL, NULL, &back, &of));
        assert_true(lists_are_equal(&t.params, &back.params));
        assert_memory_equal(t.seed, back.seed, sizeof t.seed);
        assert_int_equal(back.spec.method, method);
        assert_true(back.spec.sigma == 0.1f && back.spec.p == 0.2f && back.spec.start == 0.3f);
        assert_true(back.spec.low == 0.0f && back.spec.high == 1.0f && !back.spec.is_clamped);
        assert_int_equal(back.spec.generator_width, 4);
        assert_int_equal(back.spec.height, 8);
        assert_string_equal(of.model_id, m.id);
        assert_int_equal(of.is_reproducible, owner.is_reproducible);
        transform_release(&back);
        transform_release(&t);
        model_release(&m);
    }
}

static void a_keyed_transform_comes_back_whole_and_its_file_has_no_table(void **state)
{
    const char *path = in_folder("keyed.ward");
    struct model m = model_of("mlp-16x2-leaky", WARD_METHOD_KEYED);
    struct transform_spec spec = {.method = WARD_METHOD_KEYED,
                                  .channels = 1,
                                  .height = 8,
                                  .width = 8,
                                  .sigma = 0.5f,
                                  .p = 0.2f,
                                  .generator_width = 4,
                                  .start = 0.3f,
                                  .low = 0,
                                  .high = 1,
                                  .keyed = {.has_front = true,
                                            .front_width = 16,
                                            .coordinates = WARD_COORDINATES_CASCADE,
                                            .rounds = 5,
                                            .codebook = 3,
                                            .shuffle = 2,
                                            .negative = 0.25f,
                                            .has_residual = true}};
    struct transform t = {.params = {NULL, 0}}, back = {.params = {NULL, 0}};
    struct transform_owner owner = owner_of(&m), of;
    uint8_t *data = NULL;
    size_t len;

    (void)state;
    assert_ok(transform_init(&t, &spec, test_seed));
    assert_ok(transform_file_write(path, &t, &owner, NULL));
    assert_ok(file_read(path, 1 << 20, &data, &len));
    assert_null(memmem(data, len, "transform.key", strlen("transform.key")));
    assert_non_null(memmem(data, len, "transform.front.bn3", strlen("transform.front.bn3")));
    mem_free(data);
    assert_ok(transform_file_read(path, NULL, NULL, &back, &of));
    assert_true(lists_are_equal(&t.params, &back.params));
    assert_memory_equal(&t.spec.keyed, &back.spec.keyed, sizeof t.spec.keyed);
    transform_release(&back);
    transform_release(&t);
    model_release(&m);
}

static void any_damage_to_a_transform_is_recognised(void **state)
{
    const char *path = in_folder("damage.ward");
    struct model m = model_of("resnet8", WARD_METHOD_FIXED);
    struct transform t = transform_for(&m), back = {.params = {NULL, 0}};
    struct transform_owner owner = owner_of(&m);
    uint8_t *data;
    size_t len;

    (void)state;
    assert_ok(transform_file_write(path, &t, &owner, NULL));
    assert_ok(file_read(path, SAFETENSORS_MAX_FILE, &data, &len));
    for (size_t cut = 0; cut < len; cut++)
        if (transform_file_parse(data, cut, &back, &owner) != WARD_ERR_FORMAT)
            fail_msg("%zu of %zu bytes: expected WARD_ERR_FORMAT", cut, len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (transform_file_parse(data, len, &back, &owner) != WARD_ERR_FORMAT)
            fail_msg("bit %zu: expected WARD_ERR_FORMAT", bit);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(back.params.count, 0);
    data[6] = 2;
    assert_fails(transform_file_parse(data, len, &back, &owner), WARD_ERR_FORMAT, "version 2");
    data[4] = 'C';
    assert_fails(transform_file_parse(data, len, &back, &owner), WARD_ERR_FORMAT,
                 "not a transform file");
    mem_free(data);
    transform_release(&t);
    model_release(&m);
}

/* A frame with a right sum around wrong contents. */
static ward_status read_frame(const struct tensor_list *tensors, const char *object_text)
{
    static const char magic[FRAME_MAGIC_LEN] = {'W', 'A', 'R', 'D', 'G', 0, 1, '\n'};
    const char *path = in_folder("frame.ward");
    const struct safetensors_part part = {"", tensors};
    struct transform t = {.params = {NULL, 0}};
    struct transform_owner owner;
    json_t *object = json_loads(object_text, 0, NULL);
    ward_status st;

    assert_non_null(object);
    assert_ok(frame_write(path, magic, test_seed, &part, 1, object, NULL));
    st = transform_file_read(path, NULL, NULL, &t, &owner);
    if (st)
        assert_non_null(strstr(ward_error_message(), "frame.ward"));
    json_decref(object);
    transform_release(&t);
    return st;
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SPEC(method, h, w, sigma, width)                                         \
    "{\"method\": " method ", \"channels\": 1, \"height\": " h ", \"width\": " w \
    ", \"sigma\": " sigma ", \"p\": 0.2, \"generator_width\": " width            \
    ", \"start\": 0.5, \"is_clamped\": false, \"low\": 0.0, \"high\": 1.0}"
#define OBJECT(id, spec) \
    "{\"model_id\": \"" id "\", \"is_reproducible\": false, \"transform\": " spec "}"

static void a_transform_with_wrong_contents_is_refused(void **state)
{
    static const struct {
        const char *object;
        const char *message; /* NULL: fine */
    } cases[] = {
        {OBJECT(ID, SPEC("\"fixed\"", "2", "2", "0.1", "16")), NULL},
        {OBJECT("0123", SPEC("\"fixed\"", "2", "2", "0.1", "16")), "64 hex digits"},
        {OBJECT(ID, "null"), "not a JSON object"},
        {OBJECT(ID, "{}"), "is missing"},
        {OBJECT(ID, SPEC("\"fixed\"", "3", "2", "0.1", "16")), "another shape"},
        {OBJECT(ID, SPEC("\"fixed\"", "0", "2", "0.1", "16")), "too large"},
        {OBJECT(ID, SPEC("\"fixed\"", "16384", "16384", "0.1", "16")), "too large"},
        {OBJECT(ID, SPEC("\"fixed\"", "2", "2", "-0.1", "16")), "sigma"},
        {OBJECT(ID, SPEC("\"fixed\"", "2", "2", "\"0.1\"", "16")), "'sigma' is not a number"},
        {OBJECT(ID, SPEC("\"baseline\"", "2", "2", "0.1", "16")), "has no transform"},
        {OBJECT(ID, SPEC("\"none\"", "2", "2", "0.1", "16")), "unknown method"},
        {OBJECT(ID, SPEC("1", "2", "2", "0.1", "16")), "'method' is not a string"},
        {OBJECT(ID, SPEC("\"generator\"", "2", "2", "0.1", "16")), "is missing"},
        {OBJECT(ID, SPEC("\"generator\"", "2", "2", "0.1", "1025")), "width"},
        {"{\"is_reproducible\": false}", "'model_id' is missing"},
    };
    struct tensor_list right = {NULL, 0}, none = {NULL, 0}, nan = {NULL, 0};

    (void)state;
    add(&right, "transform.pattern", shape_make(3, 1, 2, 2, 1), 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (cases[i].message)
            assert_fails(read_frame(&right, cases[i].object), WARD_ERR_FORMAT, cases[i].message);
        else
            assert_ok(read_frame(&right, cases[i].object));
    assert_fails(read_frame(&none, cases[0].object), WARD_ERR_FORMAT, "is missing");
    add(&nan, "transform.pattern", shape_make(3, 1, 2, 2, 1), NAN);
    assert_fails(read_frame(&nan, cases[0].object), WARD_ERR_FORMAT, "not finite");
    add(&right, "transform.more", shape_make(1, 1, 1, 1, 1), 0);
    assert_fails(read_frame(&right, cases[0].object), WARD_ERR_FORMAT, "does not belong");
    tensor_list_release(&right);
    tensor_list_release(&nan);
}

/* ---- checkpoint.ward ---- */

static void a_checkpoint_comes_back_whole(void **state)
{
    const char *path = in_folder("whole.ward");

    (void)state;
    for (int method = WARD_METHOD_BASELINE; method <= WARD_METHOD_GENERATOR; method++) {
        struct checkpoint c, back = {.step = 0};

        checkpoint_fill(&c, (ward_method)method);
        assert_ok(checkpoint_write(path, &c, NULL));
        assert_ok(checkpoint_read(path, NULL, &back));
        assert_true(lists_are_equal(&c.net.params, &back.net.params));
        assert_true(lists_are_equal(&c.velocity, &back.velocity));
        assert_true(lists_are_equal(&c.transform.params, &back.transform.params));
        assert_true(lists_are_equal(&c.transform_velocity, &back.transform_velocity));
        assert_memory_equal(&c.net.spec, &back.net.spec, sizeof c.net.spec);
        assert_memory_equal(c.transform.seed, back.transform.seed, TRANSFORM_SEED_LEN);
        assert_int_equal(back.has_transform, method != WARD_METHOD_BASELINE);
        assert_true(back.is_reproducible);
        assert_int_equal(back.step, 300);
        assert_int_equal(back.metrics_len, 2081);
        assert_true(json_equal(c.state, back.state));
        checkpoint_release(&c);
        checkpoint_release(&back);
    }
}

static void a_velocity_belongs_to_each_trainable_parameter(void **state)
{
    struct model m = model_of("resnet8", WARD_METHOD_FIXED);
    struct transform t = transform_for(&m);
    struct tensor_list list = {NULL, 0};

    (void)state;
    assert_ok(net_velocities(&list, &m.net.spec));
    assert_non_null(tensor_list_find(&list, "conv1.weight"));
    assert_null(tensor_list_find(&list, "bn1.running_mean"));
    assert_true(list.count < m.net.params.count);
    tensor_list_release(&list);
    assert_ok(transform_velocities(&list, &t.spec));
    assert_int_equal(list.count, 0); /* a fixed pattern is not trained */
    t.spec.method = WARD_METHOD_LEARNED;
    assert_ok(transform_velocities(&list, &t.spec));
    assert_int_equal(list.count, 1);
    tensor_list_release(&list);
    transform_release(&t);
    model_release(&m);
}

static void a_torn_checkpoint_is_recognised(void **state)
{
    const char *path = in_folder("torn.ward"), *copy = in_folder("copy.ward");
    struct checkpoint c, back = {.step = 0};
    uint8_t *data;
    size_t len;

    (void)state;
    checkpoint_fill(&c, WARD_METHOD_GENERATOR);
    assert_ok(checkpoint_write(path, &c, NULL));
    assert_ok(file_read(path, SAFETENSORS_MAX_FILE, &data, &len));
    for (size_t cut = 0; cut < len; cut += len / 37 + 1) {
        put_file(copy, data, cut);
        assert_fails(checkpoint_read(copy, NULL, &back), WARD_ERR_FORMAT, "copy.ward");
    }
    for (size_t at = 0; at < len; at += len / 41 + 1) {
        data[at] ^= 0x10;
        put_file(copy, data, len);
        assert_fails(checkpoint_read(copy, NULL, &back), WARD_ERR_FORMAT, "copy.ward");
        data[at] ^= 0x10;
    }
    data[4] = 'G';
    put_file(copy, data, len);
    assert_fails(checkpoint_read(copy, NULL, &back), WARD_ERR_FORMAT, "not a checkpoint file");
    assert_null(back.state);
    mem_free(data);
    checkpoint_release(&c);
}

static void a_checkpoint_that_is_not_finite_leaves_the_last_one(void **state)
{
    const char *path = in_folder("kept.ward");
    struct checkpoint c, back = {.step = 0};

    (void)state;
    checkpoint_fill(&c, WARD_METHOD_LEARNED);
    assert_ok(checkpoint_write(path, &c, NULL));
    c.step++;
    c.transform_velocity.items[0].data[0] = NAN;
    assert_fails(checkpoint_write(path, &c, NULL), WARD_ERR_NUMERIC, "not finite");
    assert_ok(checkpoint_read(path, NULL, &back));
    assert_int_equal(back.step, 300);
    checkpoint_release(&c);
    checkpoint_release(&back);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back_whole),
        cmocka_unit_test(values_survive_bit_by_bit),
        cmocka_unit_test(the_digest_names_all_that_the_model_is),
        cmocka_unit_test(the_digest_is_the_documented_one),
        cmocka_unit_test(parameters_in_another_order_are_put_in_order),
        cmocka_unit_test(a_model_with_wrong_tensors_is_refused),
        cmocka_unit_test(a_model_with_wrong_metadata_is_refused),
        cmocka_unit_test(a_model_that_is_not_finite_is_not_written),
        cmocka_unit_test(a_missing_or_damaged_file_is_named),
        cmocka_unit_test(a_public_file_holds_nothing_of_the_transform),
        cmocka_unit_test(secret_files_are_private_and_public_ones_are_not),
        cmocka_unit_test(a_transform_comes_back_whole),
        cmocka_unit_test(a_keyed_transform_comes_back_whole_and_its_file_has_no_table),
        cmocka_unit_test(any_damage_to_a_transform_is_recognised),
        cmocka_unit_test(a_transform_with_wrong_contents_is_refused),
        cmocka_unit_test(a_checkpoint_comes_back_whole),
        cmocka_unit_test(a_velocity_belongs_to_each_trainable_parameter),
        cmocka_unit_test(a_torn_checkpoint_is_recognised),
        cmocka_unit_test(a_checkpoint_that_is_not_finite_leaves_the_last_one),
    };

    return cmocka_run_group_tests_name("model", tests, folder_make, folder_remove);
}
