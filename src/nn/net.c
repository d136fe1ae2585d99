/*
 * The table of architectures, the initial values of a net, and copying parameters by name.
 */
#include "nn/net.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/arch.h"

enum { MIN_CLASSES = 2, MAX_CLASSES = 1000 };

static const struct arch *const archs[] = {&arch_simple_cnn, &arch_resnet, &arch_mlp, &arch_mixer};

/* After a name: leaky ReLU. */
static const char leaky_suffix[] = "-leaky";
static const float leaky_slope = 0.1f;

enum { ARCH_COUNT = sizeof archs / sizeof archs[0] };

/* An architecture by its name, which is taken apart. */
struct found {
    const struct arch *arch; /* NULL: there is none */
    char base[sizeof((struct net_spec *)NULL)->arch];
    bool is_leaky;
};

static struct found arch_find(const char *name)
{
    struct found found = {.arch = NULL};
    size_t len = strlen(name), suffix = sizeof leaky_suffix - 1;

    found.is_leaky = len > suffix && strcmp(name + len - suffix, leaky_suffix) == 0;
    memcpy(found.base, name, found.is_leaky ? len - suffix : len);
    for (size_t i = 0; i < ARCH_COUNT && !found.arch; i++)
        if (archs[i]->has_name(found.base))
            found.arch = archs[i];
    return found;
}

static ward_status no_arch(const char *name, int len)
{
    char forms[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < ARCH_COUNT; i++)
        used += (size_t)snprintf(forms + used, sizeof forms - used, "%s%s", i > 0 ? ", " : "",
                                 archs[i]->form);
    return ward_fail(WARD_ERR_ARG, "unknown architecture '%.*s': known are %s", len, name, forms);
}

static ward_status spec_check(const struct net_spec *spec)
{
    if (!memchr(spec->arch, 0, sizeof spec->arch) || !arch_find(spec->arch).arch)
        return no_arch(spec->arch, (int)sizeof spec->arch);
    if (spec->classes < MIN_CLASSES || spec->classes > MAX_CLASSES)
        return ward_fail(WARD_ERR_ARG, "%zu classes: a network has %d to %d", spec->classes,
                         MIN_CLASSES, MAX_CLASSES);
    return WARD_OK;
}

int net_build(const struct net_spec *spec, struct graph *g, int x, struct net_use use)
{
    struct found found = arch_find(spec->arch);
    struct arch_use how = {use, found.is_leaky ? leaky_slope : 0};

    assert(found.arch);
    return found.arch->build(found.base, spec->classes, g, x, &how);
}

/* Fan-in is the count of inputs that one output sums: all dimensions of a weight but the first. */
static void init_weight(struct tensor *t, struct rng *rng)
{
    size_t count = shape_count(&t->shape);
    float fan_in = (float)(count / t->shape.dim[0]);
    float deviation = sqrtf(2.0f / fan_in), bound = 1.0f / sqrtf(fan_in);
    bool is_conv = t->shape.rank == 4;

    for (size_t i = 0; i < count; i++)
        t->data[i] =
            is_conv ? deviation * rng_normal(rng) : bound * (2.0f * rng_uniform(rng) - 1.0f);
}

static void init_param(struct tensor *t, enum param_role role, uint64_t seed, size_t number)
{
    struct rng rng;

    if (role == PARAM_WEIGHT) {
        rng_init(&rng, seed, RNG_INIT, number, 0);
        init_weight(t, &rng);
    } else if (role == PARAM_BN_SCALE || role == PARAM_RUNNING_VAR) {
        for (size_t i = 0; i < shape_count(&t->shape); i++)
            t->data[i] = 1.0f;
    }
}

static ward_status init_params(struct tensor_list *list, const struct graph *g, uint64_t seed)
{
    for (size_t p = 0; p < g->param_count; p++) {
        const struct graph_param *param = &g->params[p];
        struct tensor *t;
        ward_status st = tensor_list_add(list, param->name, &param->shape, &t);

        if (st)
            return st;
        init_param(t, param->role, seed, p);
    }
    return WARD_OK;
}

const struct op_desc *net_head(const struct graph *g)
{
    const struct op_desc *last = &g->nodes[g->node_count - 1];

    assert(last->kind == OP_DENSE);
    return last;
}

ward_status net_graph(struct graph *g, const struct net_spec *spec)
{
    struct dims image = {1, spec->channels, spec->height, spec->width};
    ward_status st = spec_check(spec);

    if (st)
        return st;
    net_build(spec, g, graph_input(g, image), (struct net_use){0});
    st = graph_finish(g);
    if (st == WARD_ERR_ARG)
        return ward_fail_within(st, "%s does not take images of %zu x %zu x %zu", spec->arch,
                                spec->channels, spec->height, spec->width);
    return st;
}

ward_status net_init(struct net *net, const struct net_spec *spec, uint64_t seed)
{
    struct net made = {.spec = *spec};
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = net_graph(&g, spec);
    if (!st)
        st = init_params(&made.params, &g, seed);
    if (st)
        goto done;

    *net = made;
    made = (struct net){0};
done:
    graph_release(&g);
    net_release(&made);
    return st;
}

void net_release(struct net *net)
{
    tensor_list_release(&net->params);
    *net = (struct net){0};
}

static const struct tensor *lists_find(const struct tensor_list *const *lists, size_t count,
                                       const char *name)
{
    const struct tensor *t = NULL;

    for (size_t i = 0; i < count && !t; i++)
        if (lists[i])
            t = tensor_list_find(lists[i], name);
    return t;
}

static ward_status load_one(struct plan *plan, size_t p, const struct tensor *t)
{
    const struct graph_param *param = &plan_graph(plan)->params[p];

    if (!shape_equal(&t->shape, &param->shape))
        return ward_fail(WARD_ERR_FORMAT, "parameter '%s' has another shape", param->name);
    return plan_load(plan, p, PLAN_VALUE, t->data);
}

ward_status params_load(struct plan *plan, const struct tensor_list *const *lists, size_t count)
{
    const struct graph *g = plan_graph(plan);
    ward_status st = WARD_OK;

    for (size_t p = 0; p < g->param_count && !st; p++) {
        const struct tensor *t = lists_find(lists, count, g->params[p].name);

        if (!t)
            return ward_fail(WARD_ERR_FORMAT, "parameter '%s' is missing", g->params[p].name);
        st = load_one(plan, p, t);
    }
    return st;
}

ward_status params_replace(struct plan *plan, const struct tensor_list *list)
{
    const struct graph *g = plan_graph(plan);
    ward_status st = WARD_OK;

    for (size_t p = 0; p < g->param_count && !st; p++) {
        const struct tensor *t = tensor_list_find(list, g->params[p].name);

        if (t)
            st = load_one(plan, p, t);
    }
    return st;
}

ward_status params_store(struct plan *plan, enum plan_part part, struct tensor_list *list)
{
    const struct graph *g = plan_graph(plan);

    for (size_t p = 0; p < g->param_count; p++) {
        struct tensor *t = tensor_list_find(list, g->params[p].name);
        ward_status st;

        if (!t || (part != PLAN_VALUE && !g->params[p].is_trainable))
            continue;
        assert(shape_equal(&t->shape, &g->params[p].shape));
        st = plan_store(plan, p, part, t->data);
        if (st)
            return st;
    }
    return WARD_OK;
}
