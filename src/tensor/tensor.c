/* Storage of named arrays: see tensor.h. */
#include "tensor/tensor.h"

#include <string.h>

#include "base/mem.h"

enum { ALIGNMENT = 64 }; /* a cache line, and the widest vector */

struct shape shape_make(unsigned rank, size_t d0, size_t d1, size_t d2, size_t d3)
{
    struct shape shape = {rank, {d0, d1, d2, d3}};

    for (unsigned i = rank; i < TENSOR_MAX_RANK; i++)
        shape.dim[i] = 1;
    return shape;
}

size_t shape_count(const struct shape *shape)
{
    size_t count = 1;

    for (unsigned i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

int shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return 0;
    for (unsigned i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}

static ward_status shape_len(const struct shape *shape, const char *name, size_t *len)
{
    size_t product = sizeof(float);

    if (shape->rank > TENSOR_MAX_RANK)
        return ward_fail(WARD_ERR_ARG, "tensor '%s' has %u dimensions; at most %d are supported",
                         name, shape->rank, TENSOR_MAX_RANK);
    for (unsigned i = 0; i < shape->rank; i++)
        if (!mul_size(product, shape->dim[i], &product))
            return ward_fail(WARD_ERR_NOMEM, "tensor '%s' is too large", name);
    *len = product;
    return WARD_OK;
}

ward_status tensor_list_add(struct tensor_list *list, const char *name, const struct shape *shape,
                            struct tensor **out)
{
    struct tensor *item;
    float *data;
    size_t len = 0;
    ward_status st;

    if (strlen(name) >= TENSOR_MAX_NAME)
        return ward_fail(WARD_ERR_ARG, "tensor name '%s' is longer than %d bytes", name,
                         TENSOR_MAX_NAME - 1);
    if (tensor_list_find(list, name))
        return ward_fail(WARD_ERR_ARG, "two tensors are named '%s'", name);
    st = shape_len(shape, name, &len);
    if (st)
        return st;
    st = mem_new_aligned(&data, len, ALIGNMENT);
    if (st)
        return st;
    st = mem_resize(&list->items, list->count, list->count + 1, sizeof(*list->items));
    if (st) {
        mem_free(data);
        return st;
    }
    item = &list->items[list->count++];
    memcpy(item->name, name, strlen(name) + 1);
    item->shape = *shape;
    item->data = data;
    if (out)
        *out = item;
    return WARD_OK;
}

struct tensor *tensor_list_find(const struct tensor_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

ward_status tensor_list_copy(struct tensor_list *dst, const struct tensor_list *src)
{
    struct tensor_list copy = {0};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < src->count && !st; i++) {
        const struct tensor *from = &src->items[i];
        struct tensor *to;

        st = tensor_list_add(&copy, from->name, &from->shape, &to);
        if (!st)
            memcpy(to->data, from->data, shape_count(&from->shape) * sizeof(float));
    }
    if (st)
        tensor_list_release(&copy);
    else
        *dst = copy;
    return st;
}

void tensor_list_release(struct tensor_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct tensor *item = &list->items[i];

        mem_wipe(item->data, shape_count(&item->shape) * sizeof(float));
        mem_free(item->data);
    }
    mem_free(list->items);
    *list = (struct tensor_list){0};
}
