/*
 * What a run has on disk: safetensors and its parser's patience, the public model, the secret
 * files, settings and metrics.
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
#include "model_fixture.h"

/* ---- safetensors ---- */

static void add(struct tensor_list *list, const char *name, struct shape shape, float first)
{
    struct tensor *t;

    assert_ok(tensor_list_add(list, name, &shape, &t));
    for (size_t i = 0; i < shape_count(&shape); i++)
        t->data[i] = first + (float)i;
}

/* A whole file's bytes; released by the caller. */
static struct wr file_of(const struct safetensors_part *parts, size_t count, const json_t *metadata)
{
    struct file_piece pieces[16];
    struct wr file = WR_INIT;

    assert_true(safetensors_tensor_count(parts, count) <= 16);
    assert_ok(safetensors_header(&file, parts, count, metadata));
    safetensors_pieces(parts, count, pieces);
    for (size_t i = 0; i < safetensors_tensor_count(parts, count); i++)
        wr_bytes(&file, pieces[i].data, pieces[i].len);
    assert_ok(wr_finish(&file));
    return file;
}

static struct wr small_file(void)
{
    struct tensor_list list = {NULL, 0};
    const struct safetensors_part part = {"", &list};
    json_t *metadata = json_pack("{s:s}", "key", "value");
    struct wr file;

    add(&list, "fc.weight", shape_make(2, 2, 3, 1, 1), 1.5f);
    add(&list, "fc.bias", shape_make(1, 2, 1, 1, 1), -2.0f);
    file = file_of(&part, 1, metadata);
    json_decref(metadata);
    tensor_list_release(&list);
    return file;
}

static void tensors_names_and_metadata_come_back(void **state)
{
    struct tensor_list one = {NULL, 0}, two = {NULL, 0}, got = {NULL, 0}, want = {NULL, 0};
    const struct safetensors_part parts[] = {{"a.", &one}, {"", &two}};
    json_t *metadata = json_pack("{s:s, s:s}", "k", "v", "empty", ""), *back = NULL;
    struct wr file;

    (void)state;
    add(&one, "x", shape_make(4, 2, 1, 3, 2), 0.25f);
    add(&one, "scalar", shape_make(0, 1, 1, 1, 1), 42.0f);
    add(&two, "x", shape_make(1, 5, 1, 1, 1), -7.0f);
    add(&want, "a.x", shape_make(4, 2, 1, 3, 2), 0.25f);
    add(&want, "a.scalar", shape_make(0, 1, 1, 1, 1), 42.0f);
    add(&want, "x", shape_make(1, 5, 1, 1, 1), -7.0f);
    file = file_of(parts, 2, metadata);
    assert_int_equal((file.len - 18 * sizeof(float)) % 8, 0);
    assert_ok(safetensors_parse(&got, &back, file.data, file.len));
    assert_true(lists_are_equal(&got, &want));
    assert_true(json_equal(metadata, back));
    json_decref(metadata);
    json_decref(back);
    tensor_list_release(&one);
    tensor_list_release(&two);
    tensor_list_release(&got);
    tensor_list_release(&want);
    wr_release(&file);
}

static void a_file_without_tensors_is_one(void **state)
{
    static const uint8_t empty[] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct tensor_list got = {NULL, 0};
    json_t *metadata = NULL;

    (void)state;
    assert_ok(safetensors_parse(&got, &metadata, empty, sizeof empty));
    assert_int_equal(got.count, 0);
    assert_int_equal(json_object_size(metadata), 0);
    json_decref(metadata);
    tensor_list_release(&got);
}

/* Parse bytes that are exactly as long as said, so that the sanitizer sees one byte too many. */
static ward_status parse_exactly(const uint8_t *data, size_t len)
{
    struct tensor_list got = {NULL, 0};
    json_t *metadata = NULL;
    uint8_t *copy;
    ward_status st;

    assert_ok(mem_new(&copy, len, 1));
    memcpy(copy, data, len);
    st = safetensors_parse(&got, &metadata, copy, len);
    if (st) {
        assert_null(metadata);
        assert_int_equal(got.count, 0);
        assert_string_not_equal(ward_error_message(), "");
    }
    json_decref(metadata);
    tensor_list_release(&got);
    mem_free(copy);
    return st;
}

static void every_cut_off_file_is_refused(void **state)
{
    struct wr file = small_file();

    (void)state;
    assert_ok(parse_exactly(file.data, file.len));
    for (size_t len = 0; len < file.len; len++)
        if (parse_exactly(file.data, len) != WARD_ERR_FORMAT)
            fail_msg("%zu of %zu bytes: expected WARD_ERR_FORMAT", len, file.len);
    wr_release(&file);
}

static void any_changed_byte_is_an_error_or_another_valid_file(void **state)
{
    struct wr file = small_file();
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < file.len; i++) {
        uint8_t right = file.data[i];

        for (unsigned value = 0; value < 256; value++) {
            ward_status st;

            file.data[i] = (uint8_t)value;
            st = parse_exactly(file.data, file.len);
            if (st != WARD_OK && st != WARD_ERR_FORMAT)
                fail_msg("byte %zu = %u: %s", i, value, ward_status_name(st));
            refused += st != WARD_OK;
        }
        file.data[i] = right;
    }
    assert_true(refused > 10000);
    wr_release(&file);
}

/* A header's text and so many bytes of values. */
static ward_status parse_text(const char *text, size_t values)
{
    struct wr file = WR_INIT;
    ward_status st;

    wr_u64le(&file, strlen(text));
    wr_text(&file, text);
    for (size_t i = 0; i < values; i++)
        wr_u8(&file, 0);
    assert_ok(wr_finish(&file));
    st = parse_exactly(file.data, file.len);
    wr_release(&file);
    return st;
}

#define ENTRY(name, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

static void each_fault_of_a_header_has_its_message(void **state)
{
    static const struct {
        const char *text;
        size_t values;
        const char *message;
    } cases[] = {
        {"[]", 0, "no JSON object"},
        {" {}", 0, "no JSON object"},
        {"{", 0, "no header length"},
        {"{\"a\":", 0, "invalid JSON"},
        {"{} x", 0, "invalid JSON"},
        {"{" ENTRY("a", "1", "0", "4") "," ENTRY("a", "1", "4", "8") "}", 8, "duplicate"},
        {"{\"a\":1}", 0, "is not described by"},
        {"{\"a\":{}}", 0, "is not described by"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
         "is not described by"},
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "of type 'I64'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "'shape'"},
        {"{" ENTRY("a", "1,1,1,1,1", "0", "4") "}", 4, "'shape'"},
        {"{" ENTRY("a", "0", "0", "0") "}", 0, "not a whole number from 1"},
        {"{" ENTRY("a", "-1", "0", "4") "}", 4, "not a whole number from 1"},
        {"{" ENTRY("a", "1.5", "0", "4") "}", 4, "not a whole number from 1"},
        {"{" ENTRY("a", "4611686018427387904,4", "0", "4") "}", 4, "impossibly large"},
        {"{" ENTRY("a", "4294967296,4294967296", "0", "4") "}", 4, "impossibly large"},
        {"{" ENTRY("a", "2", "0", "4") "}", 4, "has 4 bytes, but its shape makes 8"},
        {"{" ENTRY("a", "1", "4", "0") "}", 4, "not within"},
        {"{" ENTRY("a", "1", "-4", "0") "}", 4, "not within"},
        {"{" ENTRY("a", "2", "0", "8") "}", 4, "not within"},
        {"{" ENTRY("a", "1", "0", "9223372036854775807") "}", 4, "not within"},
        {"{" ENTRY("a", "1", "0", "4.0") "}", 4, "not two whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4,
         "not two whole numbers"},
        {"{" ENTRY("a", "1", "4", "8") "}", 8, "'a' follows a gap"},
        {"{" ENTRY("a", "1", "0", "4") "," ENTRY("b", "1", "8", "12") "}", 12, "'b' follows a gap"},
        {"{" ENTRY("a", "2", "0", "8") "," ENTRY("b", "1", "4", "8") "}", 8, "'b' overlaps"},
        {"{" ENTRY("a", "1", "0", "4") "," ENTRY("b", "1", "0", "4") "}", 4, "overlaps"},
        {"{" ENTRY("a", "1", "0", "4") "}", 5, "1 bytes follow"},
        {"{" ENTRY("", "1", "0", "4") "}", 4, "has 0 bytes"},
        {"{" ENTRY("a b", "1", "0", "4") "}", 4, "not printable"},
        {"{" ENTRY("a\\n", "1", "0", "4") "}", 4, "not printable"},
        {"{" ENTRY("0123456789012345678901234567890123456789012345678901234567890123", "1", "0",
                   "4") "}",
         4, "has 64 bytes"},
        {"{\"__metadata__\":[]}", 0, "'__metadata__' is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "'__metadata__' is not a string"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ward_status st = parse_text(cases[i].text, cases[i].values);

        if (st != WARD_ERR_FORMAT || !strstr(ward_error_message(), cases[i].message))
            fail_msg("%s: expected '%s', got %s (%s)", cases[i].text, cases[i].message,
                     ward_status_name(st), ward_error_message());
    }
}

static void a_header_longer_than_the_cap_is_refused_unread(void **state)
{
    struct wr file = WR_INIT;

    (void)state;
    wr_u64le(&file, UINT64_MAX);
    wr_text(&file, "{}");
    assert_fails(parse_exactly(file.data, file.len), WARD_ERR_FORMAT, "no header length");
    file.len = 0;
    wr_u64le(&file, SAFETENSORS_MAX_HEADER + 1);
    wr_text(&file, "{}");
    assert_fails(parse_exactly(file.data, file.len), WARD_ERR_FORMAT, "no header length");
    file.len = 0;
    wr_u64le(&file, 3);
    wr_text(&file, "{}");
    assert_fails(parse_exactly(file.data, file.len), WARD_ERR_FORMAT, "ends within its header");
    wr_release(&file);
}

static void names_that_could_not_be_read_back_are_not_written(void **state)
{
    struct tensor_list list = {NULL, 0};
    const struct safetensors_part twice[] = {{"a.", &list}, {"a.", &list}};
    const struct safetensors_part longer = {
        "0123456789012345678901234567890123456789012345678901234567890123", &list};
    struct wr out = WR_INIT;

    (void)state;
    add(&list, "x", shape_make(1, 1, 1, 1, 1), 0);
    assert_fails(safetensors_header(&out, twice, 2, NULL), WARD_ERR_ARG, "two tensors");
    assert_fails(safetensors_header(&out, &longer, 1, NULL), WARD_ERR_ARG, "too long");
    wr_release(&out);
    tensor_list_release(&list);
}

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

/* A value of its own in every field; 0.1 and its like have no short binary form. */
static ward_train_config every_setting(void)
{
    return (ward_train_config){.data = "fashion-mnist:/tmp/\xc3\xa4 \"x\"",
                               .arch = "resnet20",
                               .method = WARD_METHOD_GENERATOR,
                               .recipe = "fast",
                               .iterations = 8000,
                               .batch = 128,
                               .schedule = WARD_SCHEDULE_ONECYCLE,
                               .rate = 0.1,
                               .rate_drop_every = 10000,
                               .warmup = 1.0 / 3,
                               .momentum = 0.9,
                               .nesterov = true,
                               .weight_decay = 5e-4,
                               .decays_all = true,
                               .transform_rate_factor = 0.7,
                               .transform_decay = 1e-300,
                               .alpha = 1.1,
                               .beta = 1.2,
                               .gamma = 0.01,
                               .raw_share = 0.5,
                               .raw_warmup = 0.15,
                               .separates_bn = true,
                               .sigma = 0.3,
                               .p = 0.2,
                               .generator_width = 64,
                               .start = 0.05,
                               .is_clamped = true,
                               .validation = 5000,
                               .validate_every = 500,
                               .seed = INT64_MAX,
                               .secret_seed = test_seed,
                               .checkpoint_seconds = 120.5};
}

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

static void checkpoint_fill(struct checkpoint *c, ward_method method)
{
    struct model m = model_of("resnet8", method);

    *c = (struct checkpoint){.net = m.net, .step = 300, .metrics_len = 2081};
    m.net = (struct net){.params = {NULL, 0}};
    assert_ok(net_velocities(&c->velocity, &c->net.spec));
    c->velocity.items[0].data[5] = 0.5f;
    if (method != WARD_METHOD_BASELINE) {
        m.net.spec = c->net.spec;
        c->transform = transform_for(&m);
        c->has_transform = true;
        assert_ok(transform_velocities(&c->transform_velocity, &c->transform.spec));
        if (c->transform_velocity.count > 0)
            c->transform_velocity.items[0].data[0] = -0.25f;
    }
    c->is_reproducible = true;
    c->state = json_pack("{s:f, s:[i, i]}", "loss", 0.1, "seen", 1, 2);
    model_release(&m);
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
        assert_ok(transform_file_write(dir.transform, &t, &owner));
        assert_ok(checkpoint_write(dir.checkpoint, &c));
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
        assert_ok(transform_file_write(path, &t, &owner));
        assert_ok(transform_file_read(path, &back, &of));
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

static void any_damage_to_a_transform_is_recognised(void **state)
{
    const char *path = in_folder("damage.ward");
    struct model m = model_of("resnet8", WARD_METHOD_FIXED);
    struct transform t = transform_for(&m), back = {.params = {NULL, 0}};
    struct transform_owner owner = owner_of(&m);
    uint8_t *data;
    size_t len;

    (void)state;
    assert_ok(transform_file_write(path, &t, &owner));
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
    assert_ok(frame_write(path, magic, test_seed, &part, 1, object));
    st = transform_file_read(path, &t, &owner);
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
        assert_ok(checkpoint_write(path, &c));
        assert_ok(checkpoint_read(path, &back));
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
    assert_ok(checkpoint_write(path, &c));
    assert_ok(file_read(path, SAFETENSORS_MAX_FILE, &data, &len));
    for (size_t cut = 0; cut < len; cut += len / 37 + 1) {
        put_file(copy, data, cut);
        assert_fails(checkpoint_read(copy, &back), WARD_ERR_FORMAT, "copy.ward");
    }
    for (size_t at = 0; at < len; at += len / 41 + 1) {
        data[at] ^= 0x10;
        put_file(copy, data, len);
        assert_fails(checkpoint_read(copy, &back), WARD_ERR_FORMAT, "copy.ward");
        data[at] ^= 0x10;
    }
    data[4] = 'G';
    put_file(copy, data, len);
    assert_fails(checkpoint_read(copy, &back), WARD_ERR_FORMAT, "not a checkpoint file");
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
    assert_ok(checkpoint_write(path, &c));
    c.step++;
    c.transform_velocity.items[0].data[0] = NAN;
    assert_fails(checkpoint_write(path, &c), WARD_ERR_NUMERIC, "not finite");
    assert_ok(checkpoint_read(path, &back));
    assert_int_equal(back.step, 300);
    checkpoint_release(&c);
    checkpoint_release(&back);
}

/* ---- config.json ---- */

static void every_setting_comes_back_exactly(void **state)
{
    ward_train_config config = every_setting();
    struct run_config back = {.data = NULL};
    char *text = NULL, *again = NULL;

    (void)state;
    assert_ok(run_config_to_json(&config, &text));
    assert_ok(run_config_from_json(&back, text, strlen(text)));
    assert_ok(run_config_to_json(&back.values, &again));
    assert_string_equal(text, again);
    assert_true(back.values.rate == 0.1 && back.values.warmup == 1.0 / 3);
    assert_true(back.values.seed == INT64_MAX);
    assert_string_equal(back.values.data, config.data);
    assert_memory_equal(back.values.secret_seed, test_seed, sizeof test_seed);
    run_config_release(&back);
    mem_free(text);
    mem_free(again);

    config.secret_seed = NULL;
    assert_ok(run_config_to_json(&config, &text));
    assert_non_null(strstr(text, "\"secret_seed\": null"));
    assert_ok(run_config_from_json(&back, text, strlen(text)));
    assert_null(back.values.secret_seed);
    run_config_release(&back);
    mem_free(text);
    config.seed = (uint64_t)INT64_MAX + 1;
    assert_fails(run_config_to_json(&config, &text), WARD_ERR_ARG, "'seed'");
}

/* Settings in which one value is replaced, or taken away if json is NULL. */
static ward_status read_with(const char *key, json_t *json)
{
    ward_train_config config = every_setting();
    struct run_config back = {.data = NULL};
    char *text = NULL, *changed = NULL;
    json_t *object;
    ward_status st;

    assert_ok(run_config_to_json(&config, &text));
    object = json_loads(text, 0, NULL);
    if (json)
        json_object_set_new(object, key, json);
    else
        json_object_del(object, key);
    assert_ok(json_to_text(object, 2, &changed));
    st = run_config_from_json(&back, changed, strlen(changed));
    if (st)
        assert_null(back.data);
    run_config_release(&back);
    json_decref(object);
    mem_free(text);
    mem_free(changed);
    return st;
}

static void settings_that_are_missing_unknown_or_of_a_wrong_type_are_refused(void **state)
{
    ward_train_config config = every_setting();
    char *text = NULL;
    json_t *object;

    (void)state;
    assert_ok(run_config_to_json(&config, &text));
    object = json_loads(text, 0, NULL);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);

        assert_fails(read_with(key, NULL), WARD_ERR_FORMAT, key);
        assert_fails(read_with(key, json_array()), WARD_ERR_FORMAT, key);
    }
    assert_fails(read_with("extra", json_true()), WARD_ERR_FORMAT, "does not know");
    assert_fails(read_with("format_version", json_integer(2)), WARD_ERR_FORMAT, "version");
    assert_fails(read_with("method", json_string("none")), WARD_ERR_FORMAT, "unknown method");
    assert_fails(read_with("schedule", json_string("none")), WARD_ERR_FORMAT, "no schedule");
    assert_fails(read_with("batch", json_integer(-1)), WARD_ERR_FORMAT, "'batch'");
    assert_fails(read_with("secret_seed", json_string("f0")), WARD_ERR_FORMAT, "64 hex digits");
    assert_ok(read_with("rate", json_integer(1)));
    json_decref(object);
    mem_free(text);
}

/* ---- metrics.jsonl ---- */

static void metrics_are_lines_that_can_be_cut_back(void **state)
{
    struct run_dir dir = {.path = NULL};
    json_t *line = json_pack("{s:i, s:f}", "iteration", 1, "loss", 0.1);
    uint64_t len = 0, first;
    uint8_t *data;
    size_t read;

    (void)state;
    assert_ok(file_make_directory(in_folder("metrics")));
    assert_ok(run_dir_init(&dir, in_folder("metrics")));
    assert_ok(run_metrics_cut(&dir, 0)); /* nothing there: nothing to cut */
    assert_fails(run_metrics_cut(&dir, 1), WARD_ERR_IO, "metrics.jsonl");
    assert_ok(run_metrics_append(&dir, line, &len));
    first = len;
    assert_ok(run_metrics_append(&dir, line, &len));
    assert_int_equal(len, 2 * first);
    assert_ok(run_metrics_cut(&dir, first));
    assert_fails(run_metrics_cut(&dir, first + 1), WARD_ERR_FORMAT, "metrics.jsonl");
    assert_ok(file_read(dir.metrics, 1000, &data, &read));
    assert_string_equal((char *)data, "{\"iteration\": 1, \"loss\": 0.1}\n");
    mem_free(data);
    json_decref(line);
    run_dir_release(&dir);
}

/* ---- memory ---- */

struct work {
    struct run_dir dir;
    struct model model;
    struct transform transform;
    struct checkpoint checkpoint;
    ward_train_config config;
};

static ward_status write_model(void *context)
{
    struct work *w = context;

    return model_write(w->dir.model, &w->model);
}

static ward_status write_transform(void *context)
{
    struct work *w = context;
    struct transform_owner owner = owner_of(&w->model);

    return transform_file_write(w->dir.transform, &w->transform, &owner);
}

static ward_status write_checkpoint(void *context)
{
    struct work *w = context;

    return checkpoint_write(w->dir.checkpoint, &w->checkpoint);
}

static ward_status write_config(void *context)
{
    struct work *w = context;

    return run_config_write(&w->dir, &w->config);
}

static ward_status write_metrics(void *context)
{
    struct work *w = context;
    uint64_t len = 0;

    return run_metrics_append(&w->dir, w->checkpoint.state, &len);
}

/* All or nothing: what a failed read leaves is still empty. */
static ward_status read_model(void *context)
{
    struct work *w = context;
    struct model m = {.data = NULL};
    ward_status st = model_read(w->dir.model, &m);

    assert_true(!st == (m.net.params.count > 0));
    model_release(&m);
    return st;
}

static ward_status read_transform(void *context)
{
    struct work *w = context;
    struct transform t = {.params = {NULL, 0}};
    struct transform_owner owner;
    ward_status st = transform_file_read(w->dir.transform, &t, &owner);

    assert_true(!st == (t.params.count > 0));
    transform_release(&t);
    return st;
}

static ward_status read_checkpoint(void *context)
{
    struct work *w = context;
    struct checkpoint c = {.step = 0};
    ward_status st = checkpoint_read(w->dir.checkpoint, &c);

    assert_true(!st == (c.net.params.count > 0));
    checkpoint_release(&c);
    return st;
}

static ward_status read_config(void *context)
{
    struct work *w = context;
    struct run_config config = {.data = NULL};
    ward_status st = run_config_read(&w->dir, &config);

    assert_true(!st == (config.data != NULL));
    run_config_release(&config);
    return st;
}

static void any_failing_allocation_is_survived(void **state)
{
    alloc_attempt *const work[] = {write_model,    write_transform, write_checkpoint,
                                   write_config,   write_metrics,   read_model,
                                   read_transform, read_checkpoint, read_config};
    struct work w;

    (void)state;
    assert_ok(file_make_directory(in_folder("work")));
    assert_ok(run_dir_init(&w.dir, in_folder("work")));
    w.model = model_of("resnet8", WARD_METHOD_GENERATOR);
    w.transform = transform_for(&w.model);
    checkpoint_fill(&w.checkpoint, WARD_METHOD_GENERATOR);
    w.config = every_setting();
    for (size_t i = 0; i < sizeof work / sizeof work[0]; i++)
        assert_true(assert_survives_failing_allocations(work[i], &w) > 0);
    run_dir_release(&w.dir);
    model_release(&w.model);
    transform_release(&w.transform);
    checkpoint_release(&w.checkpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_names_and_metadata_come_back),
        cmocka_unit_test(a_file_without_tensors_is_one),
        cmocka_unit_test(every_cut_off_file_is_refused),
        cmocka_unit_test(any_changed_byte_is_an_error_or_another_valid_file),
        cmocka_unit_test(each_fault_of_a_header_has_its_message),
        cmocka_unit_test(a_header_longer_than_the_cap_is_refused_unread),
        cmocka_unit_test(names_that_could_not_be_read_back_are_not_written),
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
        cmocka_unit_test(any_damage_to_a_transform_is_recognised),
        cmocka_unit_test(a_transform_with_wrong_contents_is_refused),
        cmocka_unit_test(a_checkpoint_comes_back_whole),
        cmocka_unit_test(a_velocity_belongs_to_each_trainable_parameter),
        cmocka_unit_test(a_torn_checkpoint_is_recognised),
        cmocka_unit_test(a_checkpoint_that_is_not_finite_leaves_the_last_one),
        cmocka_unit_test(every_setting_comes_back_exactly),
        cmocka_unit_test(settings_that_are_missing_unknown_or_of_a_wrong_type_are_refused),
        cmocka_unit_test(metrics_are_lines_that_can_be_cut_back),
        cmocka_unit_test(any_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests_name("model", tests, folder_make, folder_remove);
}
