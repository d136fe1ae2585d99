/* transform.ward: see model.h, and docs/formats.md, section 2. */
#include "base/mem.h"
#include "base/util.h"
#include "model/frame.h"
#include "model/model.h"
#include "model/params.h"
#include "model/spec.h"

static const char magic[FRAME_MAGIC_LEN] = {'W', 'A', 'R', 'D', 'G', 0, 1, '\n'};
static const char kind[] = "transform";

static ward_status object_new(const struct transform *t, const struct transform_owner *owner,
                              json_t **out)
{
    json_t *object = json_object(), *spec = NULL;
    ward_status st = json_set(object, "model_id", json_string(owner->model_id));

    if (!st)
        st = json_set(object, "is_reproducible", json_boolean(owner->is_reproducible));
    if (!st)
        st = transform_spec_to_json(&t->spec, &spec);
    if (!st)
        st = json_set(object, "transform", spec);
    if (st)
        json_decref(object);
    else
        *out = object;
    return st;
}

ward_status transform_file_write(const char *path, const struct transform *t,
                                 const struct transform_owner *owner, const struct seal *seal)
{
    const struct tensor_list stored = transform_stored(t);
    const struct safetensors_part part = {"", &stored};
    struct seal whole = seal ? *seal : (struct seal){.kind = NULL};
    json_t *object = NULL;
    ward_status st = params_are_finite(&t->params);

    whole.kind = kind;
    whole.id = owner->model_id;
    if (!st)
        st = object_new(t, owner, &object);
    if (!st)
        st = frame_write(path, magic, t->seed, &part, 1, object, seal ? &whole : NULL);
    json_decref(object);
    return st;
}

static ward_status owner_parse(const json_t *object, struct transform_owner *out)
{
    uint8_t digest[MODEL_ID_LEN / 2];
    const char *id;
    ward_status st = json_get_string(object, "model_id", &id);

    if (!st && (strlen(id) != MODEL_ID_LEN || !hex_decode(id, digest, sizeof digest)))
        st = ward_fail(WARD_ERR_FORMAT, "'model_id' is not %d hex digits", MODEL_ID_LEN);
    if (!st)
        st = json_get_bool(object, "is_reproducible", &out->is_reproducible);
    if (!st)
        memcpy(out->model_id, id, MODEL_ID_LEN + 1);
    return st;
}

static ward_status transform_take(struct frame *frame, struct transform *out)
{
    struct transform t = {.params = {NULL, 0}};
    struct graph g;
    ward_status st;

    graph_init(&g);
    st = transform_spec_from_json(json_object_get(frame->object, "transform"), &t.spec);
    if (!st)
        st = spec_transform_graph(&g, &t.spec);
    if (!st)
        st = params_take(&t.params, &frame->tensors, "", &g, false);
    if (!st)
        st = params_taken_all(&frame->tensors);
    memcpy(t.seed, frame->seed, sizeof t.seed);
    if (!st)
        st = transform_derive(&t);
    if (!st) {
        *out = t;
        mem_wipe(&t, sizeof t);
    }
    transform_release(&t);
    graph_release(&g);
    return st;
}

static ward_status frame_open(struct frame *frame, struct transform *t,
                              struct transform_owner *owner)
{
    struct transform_owner of;
    ward_status st = owner_parse(frame->object, &of);

    if (!st)
        st = transform_take(frame, t);
    if (!st)
        *owner = of;
    return st;
}

ward_status transform_file_parse(const uint8_t *data, size_t len, struct transform *t,
                                 struct transform_owner *owner)
{
    struct frame frame = {{0}, {0}, NULL};
    ward_status st = frame_parse(data, len, magic, kind, &frame);

    if (!st)
        st = frame_open(&frame, t, owner);
    frame_release(&frame);
    return st;
}

ward_status transform_file_read(const char *path, const char *id, ward_keys *keys,
                                struct transform *t, struct transform_owner *owner)
{
    struct frame frame = {{0}, {0}, NULL};
    ward_status st = frame_read(path, magic, kind, id, keys, &frame);

    if (st)
        return st;
    st = frame_open(&frame, t, owner);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    frame_release(&frame);
    return st;
}
