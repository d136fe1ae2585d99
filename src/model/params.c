/* Checking parameters that come from a file: see params.h. */
#include "model/params.h"

#include "base/mem.h"
#include "base/util.h"
#include "protect/transform.h"

static bool is_finite(const struct tensor *t)
{
    return all_finite(t->data, shape_count(&t->shape));
}

static ward_status check_finite(const struct tensor *t)
{
    if (!is_finite(t))
        return ward_fail(WARD_ERR_FORMAT, "tensor '%s' has a value that is not finite", t->name);
    return WARD_OK;
}

/* What is left behind is a tensor without a name and without values. */
static void move(struct tensor *to, struct tensor *from)
{
    *to = *from;
    *from = (struct tensor){.shape = shape_make(1, 0, 1, 1, 1)};
}

static struct tensor *find(const struct tensor_list *list, const char *prefix, const char *name)
{
    size_t len = strlen(prefix);

    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i].name, prefix, len) == 0 &&
            strcmp(list->items[i].name + len, name) == 0)
            return &list->items[i];
    return NULL;
}

static ward_status take_one(struct tensor *to, struct tensor_list *from, const char *prefix,
                            const struct graph_param *param)
{
    struct tensor *t = find(from, prefix, param->name);
    ward_status st;

    if (!t)
        return ward_fail(WARD_ERR_FORMAT, "tensor '%s%s' is missing", prefix, param->name);
    if (!shape_equal(&t->shape, &param->shape))
        return ward_fail(WARD_ERR_FORMAT, "tensor '%s' has another shape than the architecture",
                         t->name);
    st = check_finite(t);
    if (st)
        return st;
    move(to, t);
    memcpy(to->name, param->name, sizeof to->name);
    return WARD_OK;
}

ward_status params_take(struct tensor_list *out, struct tensor_list *from, const char *prefix,
                        const struct graph *g, bool is_trainable)
{
    struct tensor_list list = {0};
    ward_status st = mem_new(&list.items, g->param_count, sizeof *list.items);

    for (size_t p = 0; p < g->param_count && !st; p++) {
        if ((is_trainable && !g->params[p].is_trainable) || transform_is_derived(g->params[p].name))
            continue;
        st = take_one(&list.items[list.count], from, prefix, &g->params[p]);
        if (!st)
            list.count++;
    }
    if (st)
        tensor_list_release(&list);
    else
        *out = list;
    return st;
}

ward_status params_take_named(struct tensor_list *out, struct tensor_list *from, const char *prefix)
{
    struct tensor_list list = {0};
    ward_status st = mem_new(&list.items, from->count, sizeof *list.items);

    for (size_t i = 0; i < from->count && !st; i++) {
        struct tensor *t = &from->items[i];

        if (strncmp(t->name, prefix, strlen(prefix)) != 0)
            continue;
        st = check_finite(t);
        if (!st)
            move(&list.items[list.count++], t);
    }
    if (st)
        tensor_list_release(&list);
    else
        *out = list;
    return st;
}

ward_status params_taken_all(const struct tensor_list *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (from->items[i].name[0])
            return ward_fail(WARD_ERR_FORMAT, "tensor '%s' does not belong to the architecture",
                             from->items[i].name);
    return WARD_OK;
}

ward_status params_are_finite(const struct tensor_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_finite(&list->items[i]))
            return ward_fail(WARD_ERR_NUMERIC, "tensor '%s' has a value that is not finite",
                             list->items[i].name);
    return WARD_OK;
}
