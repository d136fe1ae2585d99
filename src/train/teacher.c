/* The teacher: see teacher.h. */
#include "train/teacher.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/run_dir.h"

static ward_status check_net(const struct net_spec *a, const ward_dataset_info *b, const char *path)
{
    const ward_input *in = &b->input;

    if (a->channels == in->channels && a->height == in->height && a->width == in->width &&
        a->classes == b->classes)
        return WARD_OK;
    return ward_fail(WARD_ERR_ARG,
                     "the teacher '%s' takes %zu x %zu x %zu in %zu classes, not "
                     "%u x %u x %u in %u",
                     path, a->channels, a->height, a->width, a->classes, in->channels, in->height,
                     in->width, b->classes);
}

/* What an ONNX file does not say. */
static ward_status check_model(const struct model *m, const ward_dataset *data, const char *path)
{
    const ward_input *in = &ward_dataset_get_info(data)->input;

    if (m->method != WARD_METHOD_BASELINE)
        return ward_fail(WARD_ERR_ARG,
                         "the teacher '%s' is locked (%s): its answers to raw images teach nothing",
                         path, ward_method_name(m->method));
    if (m->low != in->low || m->high != in->high)
        return ward_fail(WARD_ERR_ARG, "the teacher '%s' takes values of %g to %g, not %g to %g",
                         path, (double)m->low, (double)m->high, (double)in->low, (double)in->high);
    for (unsigned k = 0; k < m->net.spec.classes; k++)
        if (strcmp(m->class_names[k], ward_dataset_class_name(data, k)) != 0)
            return ward_fail(WARD_ERR_ARG, "class %u of the teacher '%s' is '%s', not '%s'", k,
                             path, m->class_names[k], ward_dataset_class_name(data, k));
    return WARD_OK;
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
                         const ward_dataset *data, size_t batch, float temperature,
                         char digest[ORIGIN_DIGEST_LEN + 1])
{
    struct model found = {.data = NULL};
    ward_status st;

    graph_init(&t->graph);
    t->temperature = temperature;
    st = origin_read(path, &found, digest);
    if (!st)
        st = check_net(&found.net.spec, ward_dataset_get_info(data), path);
    if (!st && found.data)
        st = check_model(&found, data, path);
    t->is_of_data = !st && found.data && strcmp(found.data, ward_dataset_get_info(data)->name) == 0;
    t->net = found.net;
    found.net = (struct net){.params = {NULL, 0}};
    model_release(&found);
    return st ? st : compile(t, device, batch);
}

/* Whoever taught the teacher, or whatever it went on from, may have seen other images. */
static bool has_same_splits(const ward_train_config *teacher, const ward_train_config *c)
{
    return teacher->splits && c->splits && strcmp(teacher->splits, c->splits) == 0 &&
           teacher->seed == c->seed && !teacher->from &&
           (!teacher->teacher || teacher->teacher_splits);
}

ward_status teacher_has_splits(const struct teacher *t, const ward_train_config *config, bool *out)
{
    struct run_dir dir = {.path = NULL};
    struct run_config theirs = {.data = NULL};
    ward_status st;

    *out = false;
    if (!t->is_of_data || !file_is_directory(config->teacher))
        return WARD_OK;
    st = run_dir_init(&dir, config->teacher);
    if (!st && file_exists(dir.config)) {
        st = run_config_read(&dir, &theirs);
        *out = !st && has_same_splits(&theirs.values, config);
    }
    run_config_release(&theirs);
    run_dir_release(&dir);
    return st;
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
