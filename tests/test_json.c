/* Strict JSON, and numbers that read back the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <locale.h>

#include "alloc_test.h"
#include "base/json.h"
#include "base/mem.h"

static json_t *parse(const char *text)
{
    json_t *json = NULL;

    if (json_parse_object(&json, text, strlen(text)))
        fail_msg("%s: %s", text, ward_error_message());
    return json;
}

static void test_what_is_not_one_strict_object_is_refused(void **state)
{
    static const char *const bad[] = {"",           "[]",
                                      "1",          "{",
                                      "{\"a\":1}x", "{\"a\":1,\"a\":2}",
                                      "{a:1}",      "{\"a\":NaN}",
                                      "{\"a\":1,}", "{\"a\":\"\x80\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *const untouched = (json_t *)&bad;
        json_t *json = untouched;
        ward_status st = json_parse_object(&json, bad[i], strlen(bad[i]));

        if (st != WARD_ERR_FORMAT || json != untouched)
            fail_msg("'%s': expected WARD_ERR_FORMAT, got %s", bad[i], ward_status_name(st));
    }
}

static void test_a_fault_is_told_with_its_line(void **state)
{
    json_t *json;

    (void)state;
    assert_int_equal(json_parse_object(&json, "{\n\"a\": 1\n\"b\": 2}", 17), WARD_ERR_FORMAT);
    assert_non_null(strstr(ward_error_message(), "line 3"));
}

static void assert_text(const char *object, int indent, const char *expected)
{
    json_t *json = parse(object);
    char *text;

    assert_int_equal(json_to_text(json, indent, &text), WARD_OK);
    assert_string_equal(text, expected);
    mem_free(text);
    json_decref(json);
}

static void test_objects_are_printed_in_order_compact_or_indented(void **state)
{
    static const char compact[] =
        "{\"z\": 1, \"a\": [true, null, \"q\\\"\\n\"], \"o\": {}, \"l\": []}";

    (void)state;
    assert_text(compact, 0, compact);
    assert_text(compact, 2,
                "{\n  \"z\": 1,\n  \"a\": [\n    true,\n    null,\n    \"q\\\"\\n\"\n  ],\n"
                "  \"o\": {},\n  \"l\": []\n}");
    assert_text("{}", 2, "{}");
}

static void test_reals_read_back_the_same_and_print_short(void **state)
{
    static const double values[] = {0.1,
                                    0.0,
                                    -0.0,
                                    1.0,
                                    1.0 / 3,
                                    0.9182,
                                    1e300,
                                    5e-324,
                                    DBL_MAX,
                                    DBL_EPSILON,
                                    123456789012345678.0,
                                    0.1 + 0.2};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        json_t *json = json_object(), *back;
        char *text;
        double value;

        assert_int_equal(json_set(json, "x", json_real(values[i])), WARD_OK);
        assert_int_equal(json_to_text(json, 0, &text), WARD_OK);
        back = parse(text);
        assert_int_equal(json_get_real(back, "x", &value), WARD_OK);
        if (memcmp(&value, &values[i], sizeof(value)) != 0)
            fail_msg("%.17g came back from %s as %.17g", values[i], text, value);
        if (!json_is_real(json_object_get(back, "x")))
            fail_msg("%s is not a real any more", text);
        mem_free(text);
        json_decref(back);
        json_decref(json);
    }
    assert_text("{\"x\": 0.1, \"y\": 1.0, \"z\": 0.91820}", 0,
                "{\"x\": 0.1, \"y\": 1.0, \"z\": 0.9182}");
}

static void test_values_of_the_wrong_type_or_range_are_refused_by_name(void **state)
{
    json_t *json = parse("{\"s\": \"t\", \"n\": 7, \"neg\": -1, \"r\": 0.5, \"b\": true}");
    const char *text = "untouched";
    uint64_t number = 99;
    double real = 99;
    bool yes = false;

    (void)state;
    assert_int_equal(json_get_string(json, "n", &text), WARD_ERR_FORMAT);
    assert_int_equal(json_get_string(json, "absent", &text), WARD_ERR_FORMAT);
    assert_string_equal(ward_error_message(), "'absent' is missing");
    assert_int_equal(json_get_u64(json, "neg", UINT64_MAX, &number), WARD_ERR_FORMAT);
    assert_int_equal(json_get_u64(json, "r", UINT64_MAX, &number), WARD_ERR_FORMAT);
    assert_int_equal(json_get_u64(json, "n", 6, &number), WARD_ERR_FORMAT);
    assert_int_equal(json_get_real(json, "s", &real), WARD_ERR_FORMAT);
    assert_int_equal(json_get_bool(json, "n", &yes), WARD_ERR_FORMAT);
    assert_string_equal(text, "untouched");
    assert_true(number == 99 && real == 99 && !yes);

    assert_int_equal(json_get_string(json, "s", &text), WARD_OK);
    assert_int_equal(json_get_u64(json, "n", 7, &number), WARD_OK);
    assert_int_equal(json_get_real(json, "n", &real), WARD_OK);
    assert_int_equal(json_get_bool(json, "b", &yes), WARD_OK);
    assert_string_equal(text, "t");
    assert_true(number == 7 && real == 7 && yes);
    json_decref(json);
}

static void test_fractions_are_in_0_to_1_or_null_where_that_may_be(void **state)
{
    json_t *json = parse("{\"f\": 0.25, \"more\": 1.5, \"none\": null}");
    double value = 99;

    (void)state;
    assert_int_equal(json_get_fraction(json, "more", &value), WARD_ERR_FORMAT);
    assert_string_equal(ward_error_message(), "'more' is not in 0 to 1");
    assert_int_equal(json_get_fraction(json, "none", &value), WARD_ERR_FORMAT);
    assert_int_equal(json_get_fraction_or_null(json, "absent", &value), WARD_ERR_FORMAT);
    assert_true(value == 99);
    assert_int_equal(json_get_fraction_or_null(json, "f", &value), WARD_OK);
    assert_true(value == 0.25);
    assert_int_equal(json_get_fraction_or_null(json, "none", &value), WARD_OK);
    assert_true(isnan(value));
    json_decref(json);
}

static void test_another_value_than_expected_is_said_with_both(void **state)
{
    json_t *json = parse("{\"s\": \"t\", \"n\": 7, \"r\": 0.5}");

    (void)state;
    assert_int_equal(json_match_string(json, "s", "t"), WARD_OK);
    assert_int_equal(json_match_u64(json, "n", 7), WARD_OK);
    assert_int_equal(json_match_real(json, "r", 0.5), WARD_OK);
    assert_int_equal(json_match_string(json, "s", "u"), WARD_ERR_EXISTS);
    assert_string_equal(ward_error_message(), "'s' is 't' there, not 'u'");
    assert_int_equal(json_match_u64(json, "n", 8), WARD_ERR_EXISTS);
    assert_string_equal(ward_error_message(), "'n' is 7 there, not 8");
    assert_int_equal(json_match_real(json, "r", 0.25), WARD_ERR_EXISTS);
    assert_string_equal(ward_error_message(), "'r' is 0.5 there, not 0.25");
    assert_int_equal(json_match_u64(json, "s", 7), WARD_ERR_FORMAT);
    json_decref(json);
}

static void test_objects_are_made_of_all_members_or_not_at_all(void **state)
{
    const struct json_member good[] = {{"a", json_integer(1)},
                                       {"b", json_real_or_null((double)INFINITY)},
                                       {"c", json_interval_or_null(0.5, 0.25, 0.75)},
                                       {"d", json_interval_or_null((double)NAN, 0, 1)}};
    const struct json_member bad[] = {{"a", json_integer(1)}, {"b", NULL}, {"c", json_true()}};
    json_t *json = JSON_OBJECT_OF(good);
    char *text = NULL;

    (void)state;
    assert_int_equal(json_to_text(json, 0, &text), WARD_OK);
    assert_string_equal(text, "{\"a\": 1, \"b\": null, \"c\": [0.25, 0.75], \"d\": null}");
    assert_null(JSON_OBJECT_OF(bad));
    mem_free(text);
    json_decref(json);
}

static void test_what_json_cannot_hold_is_not_stored(void **state)
{
    json_t *json = json_object();

    (void)state;
    assert_int_equal(json_set(json, "x", json_real((double)NAN)), WARD_ERR_NOMEM);
    assert_int_equal(json_set(json, "x", json_string("\xff")), WARD_ERR_NOMEM);
    assert_int_equal(json_object_size(json), 0);
    json_decref(json);
}

static void test_the_locale_does_not_change_numbers(void **state)
{
    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        print_message("# no locale with a decimal comma here; the C locale is tried instead\n");
    assert_text("{\"x\": 0.25}", 0, "{\"x\": 0.25}");
    setlocale(LC_ALL, "C");
}

static ward_status print_object(void *json)
{
    char *text = NULL;
    ward_status st = json_to_text(json, 2, &text);

    if (!st)
        mem_free(text);
    return st;
}

static void test_every_failing_allocation_is_reported(void **state)
{
    json_t *json = json_object();

    (void)state;
    for (int i = 0; i < 500; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key%d", i);
        assert_int_equal(json_set(json, key, json_real(i / 7.0)), WARD_OK);
    }
    assert_in_range(assert_survives_failing_allocations(print_object, json), 2, 30);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_one_strict_object_is_refused),
        cmocka_unit_test(test_a_fault_is_told_with_its_line),
        cmocka_unit_test(test_objects_are_printed_in_order_compact_or_indented),
        cmocka_unit_test(test_reals_read_back_the_same_and_print_short),
        cmocka_unit_test(test_values_of_the_wrong_type_or_range_are_refused_by_name),
        cmocka_unit_test(test_fractions_are_in_0_to_1_or_null_where_that_may_be),
        cmocka_unit_test(test_another_value_than_expected_is_said_with_both),
        cmocka_unit_test(test_objects_are_made_of_all_members_or_not_at_all),
        cmocka_unit_test(test_what_json_cannot_hold_is_not_stored),
        cmocka_unit_test(test_the_locale_does_not_change_numbers),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
