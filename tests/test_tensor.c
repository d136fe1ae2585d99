/* Shapes and lists of named tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "alloc_test.h"
#include "tensor/tensor.h"

static void test_a_shape_counts_its_values(void **state)
{
    struct shape scalar = shape_make(0, 9, 9, 9, 9);
    struct shape image = shape_make(3, 3, 28, 28, 9);
    struct shape empty = shape_make(2, 0, 5, 1, 1);

    (void)state;
    assert_int_equal(shape_count(&scalar), 1);
    assert_int_equal(shape_count(&image), 3 * 28 * 28);
    assert_int_equal(image.dim[3], 1);
    assert_int_equal(shape_count(&empty), 0);
}

static void test_shapes_are_equal_if_rank_and_dimensions_are(void **state)
{
    struct shape a = shape_make(2, 3, 4, 0, 0), b = shape_make(2, 3, 4, 7, 7);
    struct shape transposed = shape_make(2, 4, 3, 0, 0), wider = shape_make(3, 3, 4, 1, 0);

    (void)state;
    assert_true(shape_equal(&a, &b));
    assert_false(shape_equal(&a, &transposed));
    assert_false(shape_equal(&a, &wider));
}

static void test_a_tensor_is_found_by_its_name_and_starts_at_zero(void **state)
{
    struct tensor_list list = {0};
    struct shape shape = shape_make(4, 2, 3, 5, 5);
    struct tensor *added;

    (void)state;
    assert_null(tensor_list_find(&list, "conv1.weight"));
    assert_int_equal(tensor_list_add(&list, "conv1.weight", &shape, &added), WARD_OK);
    assert_ptr_equal(tensor_list_find(&list, "conv1.weight"), added);
    assert_int_equal((uintptr_t)added->data % 64, 0);
    for (size_t i = 0; i < shape_count(&shape); i++)
        assert_true(added->data[i] == 0.0f);
    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "t%d", i);
        assert_int_equal(tensor_list_add(&list, name, &shape, NULL), WARD_OK);
    }
    assert_int_equal(list.count, 101);
    assert_string_equal(tensor_list_find(&list, "t99")->name, "t99");
    tensor_list_release(&list);
    assert_int_equal(list.count, 0);
    tensor_list_release(&list);
}

static void assert_refused(struct tensor_list *list, const char *name, const struct shape *shape,
                           ward_status expected)
{
    struct tensor *const untouched = (struct tensor *)list;
    struct tensor *out = untouched;
    size_t count = list->count;
    ward_status st = tensor_list_add(list, name, shape, &out);

    if (st != expected || out != untouched || list->count != count)
        fail_msg("'%s' of rank %u: expected %s, got %s", name, shape->rank,
                 ward_status_name(expected), ward_status_name(st));
}

static void test_bad_names_and_shapes_are_refused(void **state)
{
    static const char longest[] = "123456789012345678901234567890123456789012345678901234567890123";
    struct tensor_list list = {0};
    struct shape fine = shape_make(1, 2, 0, 0, 0), deep = fine;
    struct shape huge = shape_make(2, SIZE_MAX / 4, 4, 0, 0);
    struct shape large = shape_make(1, SIZE_MAX / 8, 0, 0, 0);
    char too_long[TENSOR_MAX_NAME + 1];

    (void)state;
    deep.rank = 5;
    memset(too_long, 'x', TENSOR_MAX_NAME);
    too_long[TENSOR_MAX_NAME] = '\0';
    assert_int_equal(tensor_list_add(&list, longest, &fine, NULL), WARD_OK);
    assert_refused(&list, longest, &fine, WARD_ERR_ARG);
    assert_refused(&list, too_long, &fine, WARD_ERR_ARG);
    assert_refused(&list, "deep", &deep, WARD_ERR_ARG);
    assert_refused(&list, "huge", &huge, WARD_ERR_NOMEM);
    assert_refused(&list, "large", &large, WARD_ERR_NOMEM);
    tensor_list_release(&list);
}

static ward_status copy_a_list(void *unused)
{
    struct tensor_list list = {0}, copy = {0};
    struct shape shape = shape_make(1, 3, 0, 0, 0);
    struct tensor *item;
    ward_status st;

    (void)unused;
    st = tensor_list_add(&list, "a", &shape, &item);
    if (!st)
        item->data[2] = 7.0f;
    if (!st)
        st = tensor_list_add(&list, "b", &shape, NULL);
    if (!st)
        st = tensor_list_copy(&copy, &list);
    if (!st) {
        list.items[0].data[2] = 0.0f;
        assert_int_equal(copy.count, 2);
        assert_true(tensor_list_find(&copy, "a")->data[2] == 7.0f);
    } else {
        assert_int_equal(copy.count, 0);
    }
    tensor_list_release(&copy);
    tensor_list_release(&list);
    return st;
}

static void test_a_copied_list_is_independent_and_complete_or_not_there(void **state)
{
    (void)state;
    assert_int_equal(assert_survives_failing_allocations(copy_a_list, NULL), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shape_counts_its_values),
        cmocka_unit_test(test_shapes_are_equal_if_rank_and_dimensions_are),
        cmocka_unit_test(test_a_tensor_is_found_by_its_name_and_starts_at_zero),
        cmocka_unit_test(test_bad_names_and_shapes_are_refused),
        cmocka_unit_test(test_a_copied_list_is_independent_and_complete_or_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
