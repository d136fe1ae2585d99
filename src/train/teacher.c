/* The teacher: see teacher.h. */
#include "train/teacher.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static ward_status check_fit(const struct net_spec *a, const struct net_spec *b, const char *path)
{
    if (a->channels == b->channels && a->height == b->height && a->width == b->width &&
        a->classes == b->classes)
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG,
                     "the teacher '%s' takes %zu x %zu x %zu in %zu classes, not "
                     "%zu x %zu x %zu in %zu",
                     path, a->channels, a->height, a->width, a->classes, b->channels, b->height,
                     b->width, b->classes);
}

static ward_status compile(struct teacher *t, struct ward_device *device, size_t batch)
{
    const struct net_spec *spec = &t->net.spec;
    const struct tensor_list *const lists[] = {&t->net.params};
    struct plan_options options = {.bn = BN_RUNNING};
    ward_status st;

    t->x = graph_input(&t->graph, (struct dims){batch, spec->channels, spec->height, spec->width});
    t->logits = net_build(spec, &t->graph, t->x, (struct net_use){.is_frozen = true});
    options.outputs[options.output_count++] = t->logits;
    st = plan_compile(&t->plan, device, &t->graph, &options);
    return st ? st : params_load(t->plan, lists, 1);
}

ward_status teacher_init(struct teacher *t, struct ward_device *device, const char *path,
                         const struct net_spec *fits, size_t batch, float temperature,
                         char digest[ORIGIN_DIGEST_LEN + 1])
{
    ward_status st;

    graph_init(&t->graph);
    t->temperature = temperature;
    st = origin_read(path, &t->net, digest);
    if (!st)
        st = check_fit(&t->net.spec, fits, path);
    return st ? st : compile(t, device, batch);
}

void teacher_release(struct teacher *t)
{
    plan_free(t->plan);
    graph_release(&t->graph);
    net_release(&t->net);
    *t = (struct teacher){.plan = NULL};
}

/* Less the largest first, so that nothing overflows. */
static void soften(const float *logits, size_t count, float temperature, float *out)
{
    float largest = logits[0];
    double sum = 0;

    for (size_t k = 1; k < count; k++)
        largest = fmaxf(largest, logits[k]);
    for (size_t k = 0; k < count; k++)
        sum += exp(((double)logits[k] - (double)largest) / (double)temperature);
    for (size_t k = 0; k < count; k++)
        out[k] = (float)(exp(((double)logits[k] - (double)largest) / (double)temperature) / sum);
}

ward_status teacher_answer(struct teacher *t, const float *x, float *probabilities)
{
    struct dims in = graph_dims(&t->graph, t->x), out = graph_dims(&t->graph, t->logits);
    const float *logits;
    ward_status st;

    memcpy(plan_input(t->plan, t->x), x, dims_count(in) * sizeof *x);
    st = plan_forward(t->plan);
    if (st)
        return st;
    logits = plan_output(t->plan, t->logits);
    for (size_t n = 0; n < out.n; n++)
        soften(logits + n * out.c, out.c, t->temperature, probabilities + n * out.c);
    return WARD_OK;
}
