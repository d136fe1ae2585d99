/* One simulated adversary: see rival.h. */
#include "train/rival.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "protect/objective.h"

static bool has_front(const struct rival_spec *spec)
{
    return spec->front.method != WARD_METHOD_BASELINE;
}

static int build_loss(struct rival *r, const struct rival_spec *spec, int logits)
{
    switch (spec->loss) {
    case RIVAL_LABELS:
        return graph_cross_entropy(&r->graph, logits, r->labels, 0, spec->batch, spec->weight);
    case RIVAL_INFOMAX: return graph_infomax(&r->graph, logits, 0, spec->batch, spec->weight);
    case RIVAL_CHANCE: break;
    case RIVAL_REFUSED: break;
    }
    return objective_raw_loss(&r->graph, spec->loss == RIVAL_CHANCE, logits, r->labels, 0,
                              spec->batch, spec->weight);
}

static ward_status build(struct rival *r, const struct rival_spec *spec)
{
    const struct net_spec *net = &spec->net;
    const struct dims images = {spec->batch, net->channels, net->height, net->width};
    const struct net_use use = {.is_frozen = has_front(spec), .let_through = spec->leak};
    bool takes_labels = spec->loss == RIVAL_LABELS || spec->loss == RIVAL_REFUSED;
    int front;

    graph_init(&r->graph);
    r->x = graph_input(&r->graph, images);
    r->labels = takes_labels ? graph_labels(&r->graph, spec->batch) : -1;
    front = has_front(spec) ? transform_build(&spec->front, &r->graph, r->x, false) : r->x;
    r->loss = build_loss(r, spec, net_build(net, &r->graph, front, use));
    return graph_finish(&r->graph);
}

ward_status rival_open(struct rival *rival, struct ward_device *device,
                       const struct rival_spec *spec, const struct tensor_list *const *lists,
                       size_t count)
{
    const struct plan_options options = {
        .bn = has_front(spec) ? BN_RUNNING : BN_BATCH,
        .has_dropout = !has_front(spec),
        .gradients = PLAN_GRAD_PARAMS,
        .is_secret = true,
    };
    ward_status st = build(rival, spec);

    if (!st)
        st = plan_compile(&rival->plan, device, &rival->graph, &options);
    if (!st)
        st = params_load(rival->plan, lists, count);
    return st ? st : adam_init(&rival->adam, rival->plan);
}

void rival_close(struct rival *rival)
{
    adam_release(&rival->adam);
    plan_free(rival->plan);
    graph_release(&rival->graph);
    *rival = (struct rival){.plan = NULL};
}

ward_status rival_look(struct rival *rival, const float *x, const int32_t *y, double *loss)
{
    const struct dims images = graph_dims(&rival->graph, rival->x);
    ward_status st;

    memcpy(plan_input(rival->plan, rival->x), x, dims_count(images) * sizeof *x);
    if (rival->labels >= 0)
        memcpy(plan_labels(rival->plan, rival->labels), y, images.n * sizeof *y);
    st = plan_forward(rival->plan);
    if (!st)
        st = plan_backward(rival->plan);
    if (!st)
        *loss = (double)*plan_output(rival->plan, rival->loss);
    return st;
}

ward_status rival_step(struct rival *rival, const float *x, const int32_t *y, float rate,
                       bool *is_finite)
{
    double loss = 0;
    ward_status st = rival_look(rival, x, y, &loss);

    if (st)
        return st;
    adam_step(&rival->adam, rate, is_finite);
    *is_finite = *is_finite && isfinite(loss);
    return WARD_OK;
}
