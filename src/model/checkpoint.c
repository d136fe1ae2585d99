/* checkpoint.ward: see checkpoint.h, and docs/formats.md, section 2. */
#include "model/checkpoint.h"

#include "base/mem.h"
#include "model/frame.h"
#include "model/params.h"
#include "model/spec.h"

static const char magic[FRAME_MAGIC_LEN] = {'W', 'A', 'R', 'D', 'C', 0, 1, '\n'};
static const char kind[] = "checkpoint";
static const char net_prefix[] = "net.";
static const char velocity_prefix[] = "velocity.";
static const char rival_prefix[] = "rival.";

void checkpoint_release(struct checkpoint *c)
{
    net_release(&c->net);
    tensor_list_release(&c->velocity);
    transform_release(&c->transform);
    tensor_list_release(&c->transform_velocity);
    tensor_list_release(&c->rivals);
    json_decref(c->state);
    *c = (struct checkpoint){.step = 0};
}

/* ---- velocities ---- */

static ward_status velocities_add(struct tensor_list *list, const struct graph *g)
{
    struct tensor_list made = {NULL, 0};
    ward_status st = WARD_OK;

    for (size_t p = 0; p < g->param_count && !st; p++)
        if (g->params[p].is_trainable)
            st = tensor_list_add(&made, g->params[p].name, &g->params[p].shape, NULL);
    if (st)
        tensor_list_release(&made);
    else
        *list = made;
    return st;
}

ward_status net_velocities(struct tensor_list *list, const struct net_spec *spec)
{
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = net_graph(&g, spec);
    if (!st)
        st = velocities_add(list, &g);
    graph_release(&g);
    return st;
}

ward_status transform_velocities(struct tensor_list *list, const struct transform_spec *spec)
{
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = spec_transform_graph(&g, spec);
    if (!st)
        st = velocities_add(list, &g);
    graph_release(&g);
    return st;
}

/* ---- writing ---- */

static ward_status set_specs(json_t *object, const struct checkpoint *c)
{
    json_t *net = NULL, *transform = NULL;
    ward_status st = net_spec_to_json(&c->net.spec, &net);

    if (!st)
        st = json_set(object, "net", net);
    if (!st && !c->has_transform)
        return json_set(object, "transform", json_null());
    if (!st)
        st = transform_spec_to_json(&c->transform.spec, &transform);
    return st ? st : json_set(object, "transform", transform);
}

static ward_status object_new(const struct checkpoint *c, json_t **out)
{
    json_t *object = json_object();
    ward_status st = set_specs(object, c);

    if (!st)
        st = json_set(object, "is_reproducible", json_boolean(c->is_reproducible));
    if (!st)
        st = json_set(object, "step", json_integer((json_int_t)c->step));
    if (!st)
        st = json_set(object, "metrics_len", json_integer((json_int_t)c->metrics_len));
    if (!st)
        st = json_set(object, "state", json_incref(c->state));
    if (st)
        json_decref(object);
    else
        *out = object;
    return st;
}

ward_status checkpoint_write(const char *path, const struct checkpoint *c, const struct seal *seal)
{
    const struct tensor_list stored = transform_stored(&c->transform);
    const struct safetensors_part parts[] = {
        {net_prefix, &c->net.params},
        {velocity_prefix, &c->velocity},
        {"", &stored},
        {velocity_prefix, &c->transform_velocity},
        {"", &c->rivals},
    };
    const size_t count = sizeof parts / sizeof parts[0];
    struct seal whole = seal ? *seal : (struct seal){.kind = NULL};
    json_t *object = NULL;
    ward_status st = WARD_OK;

    whole.kind = kind;
    whole.id = "-";
    whole.grants = NULL;
    whole.has_terms = false;
    for (size_t i = 0; i < count && !st; i++)
        st = params_are_finite(parts[i].list);
    if (!st)
        st = object_new(c, &object);
    if (!st)
        st = frame_write(path, magic, c->has_transform ? c->transform.seed : NULL, parts, count,
                         object, seal ? &whole : NULL);
    json_decref(object);
    return st;
}

/* ---- reading ---- */

static ward_status net_take(struct frame *frame, struct checkpoint *c)
{
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = net_spec_from_json(json_object_get(frame->object, "net"), &c->net.spec);
    if (!st)
        st = net_graph(&g, &c->net.spec);
    if (!st)
        st = params_take(&c->net.params, &frame->tensors, net_prefix, &g, false);
    if (!st)
        st = params_take(&c->velocity, &frame->tensors, velocity_prefix, &g, true);
    graph_release(&g);
    return st;
}

static ward_status transform_take(struct frame *frame, struct checkpoint *c)
{
    const json_t *spec = json_object_get(frame->object, "transform");
    struct graph g;
    ward_status st;

    if (json_is_null(spec))
        return WARD_OK;
    graph_init(&g);
    st = transform_spec_from_json(spec, &c->transform.spec);
    if (!st)
        st = spec_transform_graph(&g, &c->transform.spec);
    if (!st)
        st = params_take(&c->transform.params, &frame->tensors, "", &g, false);
    if (!st)
        st = params_take(&c->transform_velocity, &frame->tensors, velocity_prefix, &g, true);
    graph_release(&g);
    memcpy(c->transform.seed, frame->seed, sizeof frame->seed);
    if (!st)
        st = transform_derive(&c->transform);
    c->has_transform = true;
    return st;
}

static ward_status numbers_take(const struct frame *frame, struct checkpoint *c)
{
    json_t *state = json_object_get(frame->object, "state");
    ward_status st = json_get_bool(frame->object, "is_reproducible", &c->is_reproducible);

    if (!st)
        st = json_get_u64(frame->object, "step", INT64_MAX, &c->step);
    if (!st)
        st = json_get_u64(frame->object, "metrics_len", INT64_MAX, &c->metrics_len);
    if (!st && !json_is_object(state))
        st = ward_fail(WARD_ERR_FORMAT, "'state' is not an object");
    if (!st)
        c->state = json_incref(state);
    return st;
}

static ward_status checkpoint_take(struct frame *frame, struct checkpoint *out)
{
    struct checkpoint c = {.step = 0};
    ward_status st = net_take(frame, &c);

    if (!st)
        st = transform_take(frame, &c);
    if (!st)
        st = params_take_named(&c.rivals, &frame->tensors, rival_prefix);
    if (!st)
        st = params_taken_all(&frame->tensors);
    if (!st)
        st = numbers_take(frame, &c);
    if (!st) {
        *out = c;
        mem_wipe(&c, sizeof c);
    }
    checkpoint_release(&c);
    return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
}

ward_status checkpoint_parse(const uint8_t *data, size_t len, struct checkpoint *c)
{
    struct frame frame = {{0}, {0}, NULL};
    ward_status st = frame_parse(data, len, magic, kind, &frame);

    if (!st)
        st = checkpoint_take(&frame, c);
    frame_release(&frame);
    return st;
}

ward_status checkpoint_read(const char *path, ward_keys *keys, struct checkpoint *c)
{
    struct frame frame = {{0}, {0}, NULL};
    ward_status st = frame_read(path, magic, kind, NULL, keys, &frame);

    if (st)
        return st;
    st = checkpoint_take(&frame, c);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    frame_release(&frame);
    return st;
}
