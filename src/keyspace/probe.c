/* Asking F: see probe.h. */
#include "keyspace/probe.h"

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

static ward_status build(struct probe *p, const struct net_spec *net,
                         const struct transform_spec *transform)
{
    const struct net_use use = {.is_frozen = true};

    graph_init(&p->graph);
    p->x = graph_input(&p->graph, (struct dims){p->batch, net->channels, net->height, net->width});
    p->logits = net_build(net, &p->graph, transform_build_wrong(transform, &p->graph, p->x), use);
    p->classes = net->classes;
    return graph_finish(&p->graph);
}

ward_status probe_open(struct probe *p, const ward_run *run, ward_device *device,
                       const ward_dataset *data, size_t images, const struct tensor_list *tables)
{
    const struct tensor_list *const lists[] = {&run->model.net.params, &run->transform.params,
                                               tables};
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = true, .output_count = 1};
    ward_status st;

    p->batch = min_size(images, BATCH);
    st = choose_images(&p->images, data, images);
    if (!st)
        st = build(p, &run->model.net.spec, &run->transform.spec);
    options.outputs[0] = p->logits;
    if (!st)
        st = plan_compile(&p->plan, device, &p->graph, &options);
    if (!st)
        st = params_load(p->plan, lists, sizeof lists / sizeof lists[0]);
    return st ? st : mem_new(&p->labels, p->batch, sizeof *p->labels);
}

void probe_release(struct probe *p)
{
    mem_free(p->labels);
    plan_free(p->plan);
    graph_release(&p->graph);
    split_release(&p->images);
    *p = (struct probe){.plan = NULL};
}

static ward_status load(struct probe *p, const struct tensor_list *tables)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < p->graph.param_count && !st; i++) {
        const struct tensor *table = tensor_list_find(tables, p->graph.params[i].name);

        if (table)
            st = plan_load(p->plan, i, PLAN_VALUE, table->data);
    }
    return st;
}

ward_status probe_count(struct probe *p, const struct tensor_list *tables, size_t *right)
{
    ward_status st = load(p, tables);
    size_t found = 0;

    for (size_t done = 0; done < p->images.count && !st; done += p->batch) {
        size_t n = min_size(p->batch, p->images.count - done);

        st = batch_read(&p->images, done, n, plan_input(p->plan, p->x), p->labels);
        if (!st)
            st = plan_forward(p->plan);
        if (!st)
            found += count_correct(plan_output(p->plan, p->logits), p->labels, n, p->classes);
        if (!st && !p->go_on(p->context))
            st = ward_fail(WARD_ERR_STOPPED, "the measurement was stopped");
    }
    if (!st)
        *right = found;
    return st;
}
