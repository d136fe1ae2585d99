/* Requests: see infer.h. */
#include "serve/infer.h"

#include <string.h>

#include "base/mem.h"

enum { RANK = 4, NAME_MAX_LEN = 64 };

/* A request as it is read; what is known of its one input. */
struct parse {
    const struct infer_model *model;
    struct infer_request *out;
    struct reader r;
    size_t image_len;
    ward_status status; /* of what is no fault of the text: memory */
    bool has_inputs, has_outputs, wants_binary;
    bool has_name, has_type, has_shape, has_data;
    uint64_t shape[RANK];
    uint64_t binary_len; /* bytes; 0: not binary */
    size_t filled, room; /* floats */
};

static bool refuse(struct parse *p, const char *fault)
{
    return reader_fail(&p->r, fault);
}

/* Refuses a second member of a name. */
static bool once(struct parse *p, bool *is_there)
{
    if (*is_there)
        return refuse(p, "a member is there twice");
    *is_there = true;
    return true;
}

/* ---- the input tensor ---- */

static bool store(struct parse *p, float value)
{
    size_t max = p->model->images_max * p->image_len;

    if (p->filled == max)
        return refuse(p, "the input has more images than a request may have");
    if (p->filled == p->room) {
        size_t wider = p->room ? 2 * p->room : p->image_len;

        wider = wider < max ? wider : max;
        p->status = mem_resize(&p->out->values, p->room, wider, sizeof(float));
        if (p->status)
            return refuse(p, "out of memory");
        p->room = wider;
    }
    p->out->values[p->filled++] = value;
    return true;
}

/* Nested as deep as one likes, or flat: the protocol allows both, and shape alone counts. */
static bool read_data(struct parse *p)
{
    float value;

    if (!reader_open(&p->r, '['))
        return false;
    while (reader_item(&p->r))
        if (reader_peek(&p->r) == '[')
            read_data(p);
        else if (reader_float(&p->r, &value))
            store(p, value);
    return !p->r.fault;
}

static bool read_shape(struct parse *p)
{
    size_t rank = 0;

    if (!reader_open(&p->r, '['))
        return false;
    while (reader_item(&p->r)) {
        if (rank == RANK)
            return refuse(p, "the input's shape has not 4 dimensions");
        reader_count(&p->r, UINT32_MAX, &p->shape[rank++]);
    }
    if (rank != RANK)
        return refuse(p, "the input's shape has not 4 dimensions");
    return !p->r.fault;
}

static bool read_input_parameters(struct parse *p)
{
    bool has_size = false;
    struct span key;

    if (!reader_open(&p->r, '{'))
        return false;
    while (reader_key(&p->r, &key))
        if (!span_is(key, "binary_data_size"))
            reader_skip(&p->r);
        else if (once(p, &has_size) && reader_count(&p->r, SIZE_MAX / 2, &p->binary_len) &&
                 p->binary_len == 0)
            refuse(p, "a binary tensor of no bytes");
    return !p->r.fault;
}

static bool read_input(struct parse *p)
{
    bool has_parameters = false;
    struct span key, text;

    if (!reader_open(&p->r, '{'))
        return false;
    while (reader_key(&p->r, &key)) {
        if (span_is(key, "name")) {
            if (once(p, &p->has_name) && reader_string(&p->r, &text) && !span_is(text, "input"))
                refuse(p, "the model's only input is called 'input'");
        } else if (span_is(key, "datatype")) {
            if (once(p, &p->has_type) && reader_string(&p->r, &text) && !span_is(text, "FP32"))
                refuse(p, "the input's datatype is FP32");
        } else if (span_is(key, "shape")) {
            if (once(p, &p->has_shape))
                read_shape(p);
        } else if (span_is(key, "data")) {
            if (once(p, &p->has_data))
                read_data(p);
        } else if (span_is(key, "parameters")) {
            if (once(p, &has_parameters))
                read_input_parameters(p);
        } else {
            reader_skip(&p->r);
        }
    }
    return !p->r.fault;
}

static bool read_inputs(struct parse *p)
{
    size_t count = 0;

    if (!once(p, &p->has_inputs) || !reader_open(&p->r, '['))
        return false;
    while (reader_item(&p->r)) {
        if (count++ > 0)
            return refuse(p, "the model has one input");
        read_input(p);
    }
    return count == 1 || refuse(p, "the model has one input");
}

/* ---- the outputs ---- */

static unsigned output_of(struct span name)
{
    return span_is(name, "class")       ? INFER_CLASS
           : span_is(name, "label")     ? INFER_LABEL
           : span_is(name, "scores")    ? INFER_SCORES
           : span_is(name, "processed") ? INFER_PROCESSED
                                        : 0u;
}

/* {"binary_data": bool} or {"binary_data_output": bool}; other parameters are passed over. */
static bool read_flag(struct parse *p, const char *name, bool *value)
{
    bool is_there = false;
    struct span key;

    if (!reader_open(&p->r, '{'))
        return false;
    while (reader_key(&p->r, &key))
        if (!span_is(key, name))
            reader_skip(&p->r);
        else if (once(p, &is_there))
            reader_bool(&p->r, value);
    return !p->r.fault;
}

static bool read_output(struct parse *p, unsigned *said)
{
    bool has_name = false, has_parameters = false, is_binary = false, is_said = false;
    struct span key, name = {"", 0};
    unsigned output;

    if (!reader_open(&p->r, '{'))
        return false;
    while (reader_key(&p->r, &key)) {
        if (span_is(key, "name")) {
            if (once(p, &has_name))
                reader_string(&p->r, &name);
        } else if (span_is(key, "parameters")) {
            if (once(p, &has_parameters)) {
                is_said = true;
                read_flag(p, "binary_data", &is_binary);
            }
        } else {
            reader_skip(&p->r);
        }
    }
    output = output_of(name) & p->model->outputs;
    if (!output)
        return refuse(p, "the model has no output of that name");
    if (p->out->outputs & output)
        return refuse(p, "an output is asked for twice");
    p->out->outputs |= output;
    p->out->binary |= is_binary ? output : 0;
    *said |= is_said ? output : 0;
    return !p->r.fault;
}

static bool read_outputs(struct parse *p, unsigned *said)
{
    if (!once(p, &p->has_outputs) || !reader_open(&p->r, '['))
        return false;
    while (reader_item(&p->r))
        read_output(p, said);
    return !p->r.fault;
}

/* ---- the whole ---- */

static bool read_request(struct parse *p)
{
    bool has_id = false, has_parameters = false;
    unsigned said = 0; /* outputs that say themselves whether they are binary */
    struct span key;

    if (!reader_open(&p->r, '{'))
        return false;
    while (reader_key(&p->r, &key)) {
        if (span_is(key, "inputs")) {
            read_inputs(p);
        } else if (span_is(key, "outputs")) {
            read_outputs(p, &said);
        } else if (span_is(key, "id")) {
            if (once(p, &has_id) && reader_string(&p->r, &p->out->id) &&
                p->out->id.len > NAME_MAX_LEN)
                refuse(p, "the id has more than 64 bytes");
        } else if (span_is(key, "parameters")) {
            if (once(p, &has_parameters))
                read_flag(p, "binary_data_output", &p->wants_binary);
        } else {
            reader_skip(&p->r);
        }
    }
    if (!p->r.fault && !reader_is_done(&p->r))
        return refuse(p, "there is text after the request");
    if (p->out->outputs == 0)
        p->out->outputs = p->model->outputs;
    if (p->wants_binary)
        p->out->binary |= p->out->outputs & ~said;
    return !p->r.fault;
}

static const char *fault_of_shape(const struct parse *p)
{
    const struct infer_model *m = p->model;

    if (!p->has_inputs)
        return "'inputs' is missing";
    if (!p->has_name || !p->has_type || !p->has_shape)
        return "the input lacks its name, datatype or shape";
    if (p->shape[1] != m->channels || p->shape[2] != m->height || p->shape[3] != m->width)
        return "the input's shape is not the model's";
    if (p->shape[0] == 0)
        return "the input has no image";
    if (p->shape[0] > m->images_max)
        return "the input has more images than a request may have";
    return NULL;
}

static const char *fault_of_data(const struct parse *p, size_t raw_len)
{
    size_t want = (size_t)p->shape[0] * p->image_len;

    if (p->binary_len && p->has_data)
        return "the input has both data and a binary tensor";
    if (!p->binary_len && !p->has_data)
        return "the input's data is missing";
    if (p->binary_len != raw_len)
        return "the binary tensors are not as long as said";
    if (p->binary_len ? raw_len != want * sizeof(float) : p->filled != want)
        return "the input's data is not as long as its shape says";
    return NULL;
}

/* Comparisons with NaN are false. */
static bool all_within(const uint8_t *raw, size_t count, float low, float high)
{
    size_t outside = 0;

    for (size_t i = 0; i < count; i++) {
        float value;

        memcpy(&value, raw + i * sizeof value, sizeof value);
        outside += !(value >= low && value <= high);
    }
    return outside == 0;
}

ward_status infer_parse(const uint8_t *body, size_t len, size_t json_len,
                        const struct infer_model *model, struct infer_request *out)
{
    struct parse p = {.model = model, .out = out};
    const char *fault;

    *out = (struct infer_request){.count = 0};
    p.image_len = model->channels * model->height * model->width;
    if (json_len > len)
        return ward_fail(WARD_ERR_FORMAT, "the JSON is longer than the request");
    reader_init(&p.r, (const char *)body, json_len);
    if (!read_request(&p))
        return p.status ? p.status
                        : ward_fail(WARD_ERR_FORMAT, "%s (at byte %zu)", p.r.fault,
                                    (size_t)(p.r.at - p.r.begin));
    fault = fault_of_shape(&p);
    if (!fault)
        fault = fault_of_data(&p, len - json_len);
    if (fault)
        return ward_fail(WARD_ERR_FORMAT, "%s", fault);
    out->count = (size_t)p.shape[0];
    out->raw = p.binary_len ? body + json_len : (const uint8_t *)out->values;
    if (!all_within(out->raw, out->count * p.image_len, model->low, model->high))
        return ward_fail(WARD_ERR_FORMAT, "the input has values outside of %g to %g",
                         (double)model->low, (double)model->high);
    return WARD_OK;
}

void infer_release(struct infer_request *request)
{
    mem_free(request->values);
    *request = (struct infer_request){.count = 0};
}
