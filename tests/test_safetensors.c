/* safetensors: what is written comes back, and its parser's patience. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/util.h"
#include "model/safetensors.h"
#include "model_fixture.h"

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
    };

    return cmocka_run_group_tests_name("safetensors", tests, folder_make, folder_remove);
}
