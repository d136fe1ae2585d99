/* G in guarded memory: see vault.h. */
#include "guard/vault.h"

#include "base/mem.h"
#include "base/util.h"

/* Room for as many images as are worth one system call. */
enum { ROOM = 1 << 14 };

/*
 * Values between the first and the last node share a few slots: a value keeps its own until it has
 * been read for the last time. The longest chain of a transform with a branch needs three.
 */
enum { SLOTS = 4, NO_SLOT = -1 };

/* What is known of a node while steps are made. Nothing of it is secret. */
struct node {
    struct layout layout;
    unsigned readers;
    int last_reader;
    int slot;
};

struct opening {
    struct vault *vault;
    const struct transform *transform;
    struct graph graph;
    struct node *nodes;
    int busy_until[SLOTS]; /* the last reader of what lies there */
    size_t slot_len, scratch_len;
};

/* ---- from nodes to steps ---- */

static ward_status build_graph(struct opening *o)
{
    const struct transform_spec *spec = &o->transform->spec;
    struct dims image = {1, spec->channels, spec->height, spec->width};
    int x = graph_input(&o->graph, image);
    ward_status st;

    o->vault->result = transform_build(spec, &o->graph, x, true);
    st = graph_finish(&o->graph);
    if (!st)
        st = mem_new(&o->nodes, o->graph.node_count, sizeof *o->nodes);
    if (!st)
        st = mem_new(&o->vault->steps, o->graph.node_count, sizeof *o->vault->steps);
    if (!st)
        st = mem_new(&o->vault->at, o->graph.node_count, sizeof *o->vault->at);
    if (st)
        return st;
    o->nodes[x] = (struct node){.layout = {image, 1}, .slot = NO_SLOT};
    return WARD_OK;
}

static void count_readers(struct opening *o)
{
    for (int i = 0; i < (int)o->graph.node_count; i++)
        for (int k = 0; k < OP_MAX_INPUTS; k++) {
            int read = o->graph.nodes[i].input[k];

            if (read < 0)
                continue;
            o->nodes[read].readers++;
            o->nodes[read].last_reader = i;
        }
}

static bool has_relu_after(const struct opening *o, int node)
{
    int next = node + 1;

    return step_takes_relu(o->graph.nodes[node].kind) && next < (int)o->graph.node_count &&
           o->graph.nodes[next].kind == OP_RELU && o->graph.nodes[next].input[0] == node &&
           o->nodes[node].readers == 1;
}

/* For the value of a step whose first node is `head`. */
static ward_status assign_slot(struct opening *o, int head, int result)
{
    struct node *node = &o->nodes[result];

    node->slot = NO_SLOT;
    if (result == o->vault->result)
        return WARD_OK;
    o->slot_len = max_size(o->slot_len, layout_len(&node->layout));
    for (int i = 0; i < SLOTS; i++)
        if (o->busy_until[i] < head) {
            node->slot = i;
            o->busy_until[i] = node->last_reader;
            return WARD_OK;
        }
    return ward_fail(WARD_ERR_ARG, "the guard cannot apply a transform with so many branches");
}

static ward_status make_steps(struct opening *o)
{
    struct vault *v = o->vault;
    ward_status st = WARD_OK;

    for (int node = 1; node < (int)o->graph.node_count && !st; node++) {
        const struct op_desc *desc = &o->graph.nodes[node];
        struct step *s = &v->steps[v->step_count++];
        int head = node;

        node += has_relu_after(o, node);
        st = step_init(s, desc, &o->nodes[desc->input[0]].layout, node > head);
        if (st)
            break;
        s->result = node;
        o->nodes[node].layout = s->out;
        o->scratch_len = max_size(o->scratch_len, s->scratch_len);
        st = assign_slot(o, head, node);
    }
    return st;
}

/* ---- the layout of both blocks: first counted, then given out ---- */

/* A piece of a block that is given out from *used on, in whole cache lines; with a NULL block it is
 * only counted. */
static float *take(float *block, size_t *used, size_t len)
{
    float *at = block && len > 0 ? block + *used : NULL;

    *used += (len + GUARDED_LINE - 1) / GUARDED_LINE * GUARDED_LINE;
    return at;
}

static size_t place_values(struct vault *v, float *block)
{
    size_t used = 0;

    for (size_t i = 0; i < v->step_count; i++)
        for (int k = 0; k < OP_MAX_PARAMS; k++)
            v->steps[i].data[k] = take(block, &used, v->steps[i].len[k]);
    return used;
}

static size_t place_room(struct opening *o, float *block)
{
    struct vault *v = o->vault;
    float *slots[SLOTS], *scratch;
    size_t used = 0;

    v->x = take(block, &used, v->rows * v->len);
    v->y = take(block, &used, v->rows * v->len);
    scratch = take(block, &used, o->scratch_len);
    for (int i = 0; i < SLOTS; i++)
        slots[i] = take(block, &used, o->slot_len);
    for (size_t i = 0; i < v->step_count; i++) {
        const struct node *result = &o->nodes[v->steps[i].result];

        v->steps[i].scratch = scratch;
        v->at[v->steps[i].result] = result->slot == NO_SLOT ? NULL : slots[result->slot];
    }
    return used;
}

static ward_status make_room(struct opening *o)
{
    float *block;
    ward_status st = guarded_floats(&o->vault->room, place_room(o, NULL), &block);

    if (!st)
        place_room(o, block);
    return st;
}

/* ---- values ---- */

static ward_status load_step(struct opening *o, struct step *s)
{
    const float *params[OP_MAX_PARAMS] = {NULL};

    for (int k = 0; k < OP_MAX_PARAMS; k++)
        if (s->desc.param[k] >= 0)
            params[k] =
                tensor_list_find(&o->transform->params, o->graph.params[s->desc.param[k]].name)
                    ->data;
    return step_load(s, params);
}

static ward_status load(struct opening *o)
{
    struct vault *v = o->vault;
    float *block;
    ward_status st = guarded_floats(&v->values, place_values(v, NULL), &block);

    if (st)
        return st;
    place_values(v, block);
    for (size_t i = 0; i < v->step_count && !st; i++)
        st = load_step(o, &v->steps[i]);
    return st ? st : secret_protect(&v->values);
}

ward_status vault_init(struct vault *vault, const struct transform *t)
{
    struct vault v = {.len = t->spec.channels * t->spec.height * t->spec.width};
    struct opening o = {.vault = &v, .transform = t};
    ward_status st;

    v.rows = max_size(1, ROOM / v.len);
    graph_init(&o.graph);
    st = build_graph(&o);
    if (!st) {
        count_readers(&o);
        st = make_steps(&o);
    }
    if (!st)
        st = make_room(&o);
    if (!st)
        st = load(&o);
    graph_release(&o.graph);
    mem_free(o.nodes);
    if (st)
        vault_release(&v);
    else
        *vault = v;
    return st;
}

void vault_release(struct vault *vault)
{
    secret_release(&vault->values);
    secret_release(&vault->room);
    mem_free(vault->steps);
    mem_free(vault->at);
    *vault = (struct vault){.len = 0};
}

/* ---- applying ---- */

static void apply(struct vault *v, float *x, float *y)
{
    v->at[0] = x;
    if (v->result == 0)
        memcpy(y, x, v->len * sizeof *y);
    else
        v->at[v->result] = y;
    for (size_t i = 0; i < v->step_count; i++) {
        const struct step *s = &v->steps[i];
        int other = s->desc.input[1];

        step_run(s, v->at[s->desc.input[0]], other < 0 ? NULL : v->at[other], v->at[s->result]);
    }
}

void vault_apply(struct vault *vault, size_t n)
{
    for (size_t i = 0; i < n; i++)
        apply(vault, vault->x + i * vault->len, vault->y + i * vault->len);
}
