/* Asking F: see probe.h. */
#include "keyspace/probe.h"

#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "nn/net.h"
#include "protect/wrong_key.h"
#include "train/metrics.h"

enum { BATCH = 256 };

static ward_status choose_images(struct split *split, const ward_dataset *data, size_t count)
{
    size_t all = ward_dataset_get_info(data)->test_count;
    ward_status st = split_init(split, data, WARD_SPLIT_TEST, 0, 0);

    if (!st)
        st = mem_new(&split->index, count, sizeof *split->index);
    if (st)
        return st;
    for (size_t i = 0; i < count; i++)
        split->index[i] = (uint32_t)((uint64_t)i * all / count);
    split->count = (uint32_t)count;
    return WARD_OK;
}

/* ---- in front of the tables ---- */

/* G up to its first table. */
static struct transform_spec front_of(const struct transform_spec *transform)
{
    struct transform_spec front = *transform;

    front.is_clamped = false;
    front.sigma = 0;
    front.keyed = (struct keyed_spec){.has_front = true,
                                      .front_width = transform->keyed.front_width,
                                      .coordinates = WARD_COORDINATES_NONE};
    return front;
}

/* Put the values behind the front in the place of the images. */
static ward_status pass_front(struct probe *p, struct plan *plan, int x, int out)
{
    ward_status st = WARD_OK;

    for (size_t done = 0; done < p->count && !st; done += p->batch) {
        size_t len = min_size(p->batch, p->count - done) * p->len;
        float *values = p->values + done * p->len;

        memcpy(plan_input(plan, x), values, len * sizeof *values);
        st = plan_forward(plan);
        if (!st)
            memcpy(values, plan_output(plan, out), len * sizeof *values);
    }
    return st;
}

static ward_status apply_front(struct probe *p, const ward_run *run, ward_device *device)
{
    const struct transform_spec spec = front_of(&run->transform.spec);
    const struct tensor_list *const lists[] = {&run->transform.params};
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    struct plan *plan = NULL;
    struct graph g;
    int x;
    ward_status st;

    graph_init(&g);
    x = graph_input(&g, (struct dims){p->batch, spec.channels, spec.height, spec.width});
    options.outputs[0] = transform_build(&spec, &g, x, true);
    st = graph_finish(&g);
    if (!st)
        st = plan_compile(&plan, device, &g, &options);
    if (!st)
        st = params_load(plan, lists, 1);
    if (!st)
        st = pass_front(p, plan, x, options.outputs[0]);
    plan_free(plan);
    graph_release(&g);
    return st;
}

static ward_status read_images(struct probe *p, const ward_dataset *data)
{
    struct split split = {.index = NULL};
    ward_status st = choose_images(&split, data, p->count);

    if (!st)
        st = mem_new(&p->values, p->count * p->len, sizeof *p->values);
    if (!st)
        st = mem_new(&p->labels, p->count, sizeof *p->labels);
    if (!st)
        st = batch_read(&split, 0, p->count, p->values, p->labels);
    split_release(&split);
    return st;
}

/* ---- behind it ---- */

static ward_status build(struct probe *p, const struct net_spec *net,
                         const struct transform_spec *transform)
{
    const struct net_use use = {.is_frozen = true};
    struct transform_spec rest = *transform;

    rest.keyed.has_front = false;
    p->x = graph_input(&p->graph, (struct dims){p->batch, net->channels, net->height, net->width});
    p->logits = net_build(net, &p->graph, transform_build_wrong(&rest, &p->graph, p->x), use);
    return graph_finish(&p->graph);
}

static ward_status open_plan(struct probe *p, const ward_run *run, ward_device *device,
                             const struct tensor_list *tables)
{
    const struct tensor_list *const lists[] = {&run->model.net.params, &run->transform.params,
                                               tables};
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    ward_status st = build(p, &run->model.net.spec, &run->transform.spec);

    options.outputs[0] = p->logits;
    if (!st)
        st = plan_compile(&p->plan, device, &p->graph, &options);
    return st ? st : params_load(p->plan, lists, sizeof lists / sizeof lists[0]);
}

ward_status probe_open(struct probe *p, const ward_run *run, ward_device *device,
                       const ward_dataset *data, size_t images, const struct tensor_list *tables)
{
    const struct net_spec *net = &run->model.net.spec;
    ward_status st;

    p->count = images;
    p->len = net->channels * net->height * net->width;
    p->classes = net->classes;
    p->batch = min_size(images, BATCH);
    graph_init(&p->graph);
    st = read_images(p, data);
    if (!st && run->transform.spec.keyed.has_front)
        st = apply_front(p, run, device);
    return st ? st : open_plan(p, run, device, tables);
}

void probe_release(struct probe *p)
{
    if (p->values)
        mem_wipe(p->values, p->count * p->len * sizeof *p->values);
    mem_free(p->values);
    mem_free(p->labels);
    plan_free(p->plan);
    graph_release(&p->graph);
    *p = (struct probe){.plan = NULL};
}

ward_status probe_count(struct probe *p, const struct tensor_list *tables, size_t *right)
{
    ward_status st = params_replace(p->plan, tables);
    size_t found = 0;

    for (size_t done = 0; done < p->count && !st; done += p->batch) {
        size_t n = min_size(p->batch, p->count - done);

        memcpy(plan_input(p->plan, p->x), p->values + done * p->len,
               n * p->len * sizeof *p->values);
        st = plan_forward(p->plan);
        if (!st)
            found +=
                count_correct(plan_output(p->plan, p->logits), p->labels + done, n, p->classes);
        if (!st && !p->go_on(p->context))
            st = ward_fail(WARD_ERR_STOPPED, "the measurement was stopped");
    }
    if (!st)
        *right = found;
    return st;
}
