/* Answers: see infer.h. */
#include <stdio.h>
#include <string.h>

#include "serve/infer.h"

size_t infer_best(const float *values, size_t count)
{
    size_t best = 0;

    for (size_t k = 1; k < count; k++)
        if (values[k] > values[best])
            best = k;
    return best;
}

/* Any bytes as a JSON string: what is not ASCII passes, as names are UTF-8 when they come in. */
static void write_string(struct wr *out, const char *text)
{
    wr_u8(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            wr_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            wr_printf(out, "\\u%04x", c);
        else
            wr_u8(out, c);
    }
    wr_u8(out, '"');
}

/* Nine digits read back as the same float. A program may have another decimal point than JSON. */
static void write_float(struct wr *out, float value)
{
    char text[32];

    snprintf(text, sizeof text, "%.9g", (double)value);
    for (char *c = text; *c; c++)
        if (!strchr("0123456789+-e", *c))
            *c = '.';
    wr_text(out, text);
}

struct tensor_text {
    const struct infer_model *model;
    const struct infer_request *request;
    const float *values;
    size_t len; /* values of an image's answer */
};

static size_t best_of(const struct tensor_text *t, size_t image)
{
    return infer_best(t->values + image * t->len, t->len);
}

static void write_data(struct wr *out, const struct tensor_text *t, enum infer_output output)
{
    bool is_float = output == INFER_SCORES || output == INFER_PROCESSED;
    size_t count = is_float ? t->request->count * t->len : t->request->count;

    wr_text(out, ",\"data\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            wr_u8(out, ',');
        if (is_float)
            write_float(out, t->values[i]);
        else if (output == INFER_CLASS)
            wr_printf(out, "%zu", best_of(t, i));
        else
            write_string(out, t->model->class_names[best_of(t, i)]);
    }
    wr_u8(out, ']');
}

static void write_binary(struct wr *out, const struct tensor_text *t, enum infer_output output)
{
    size_t count = t->request->count;

    if (output == INFER_SCORES || output == INFER_PROCESSED)
        wr_bytes(out, t->values, count * t->len * sizeof(float));
    for (size_t i = 0; output == INFER_CLASS && i < count; i++)
        wr_u64le(out, best_of(t, i));
    for (size_t i = 0; output == INFER_LABEL && i < count; i++) {
        const char *name = t->model->class_names[best_of(t, i)];

        wr_u32le(out, (uint32_t)strlen(name));
        wr_text(out, name);
    }
}

/* The order of outputs in an answer. */
static const struct {
    enum infer_output output;
    const char *name, *type;
} outputs[] = {{INFER_CLASS, "class", "INT64"},
               {INFER_LABEL, "label", "BYTES"},
               {INFER_SCORES, "scores", "FP32"},
               {INFER_PROCESSED, "processed", "FP32"}};

enum { OUTPUTS = sizeof outputs / sizeof outputs[0] };

/* The dimensions after the first, each with a comma in front. */
static void write_inner_shape(struct wr *out, const struct infer_model *m, enum infer_output output)
{
    if (output == INFER_SCORES)
        wr_printf(out, ",%zu", m->classes);
    if (output == INFER_PROCESSED)
        wr_printf(out, ",%zu,%zu,%zu", m->channels, m->height, m->width);
}

static void write_output(struct wr *out, struct wr *binary, const struct tensor_text *t, size_t i)
{
    enum infer_output output = outputs[i].output;
    size_t before = binary->len;

    wr_printf(out, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[%zu", outputs[i].name,
              outputs[i].type, t->request->count);
    write_inner_shape(out, t->model, output);
    wr_u8(out, ']');
    if (t->request->binary & output) {
        write_binary(binary, t, output);
        wr_printf(out, ",\"parameters\":{\"binary_data_size\":%zu}", binary->len - before);
    } else {
        write_data(out, t, output);
    }
    wr_u8(out, '}');
}

void infer_answer(const struct infer_model *model, const struct infer_request *request,
                  const float *values, struct wr *out, size_t *json_len)
{
    const struct tensor_text t = {.model = model,
                                  .request = request,
                                  .values = values,
                                  .len = request->outputs & INFER_PROCESSED
                                             ? model->channels * model->height * model->width
                                             : model->classes};
    struct wr binary = WR_INIT;
    bool is_first = true;

    wr_printf(out, "{\"model_name\":\"%s\",\"model_version\":\"%s\"", model->name, model->version);
    if (request->id.text)
        wr_printf(out, ",\"id\":\"%.*s\"", (int)request->id.len, request->id.text);
    wr_text(out, ",\"outputs\":[");
    for (size_t i = 0; i < OUTPUTS; i++) {
        if (!(request->outputs & outputs[i].output))
            continue;
        if (!is_first)
            wr_u8(out, ',');
        is_first = false;
        write_output(out, &binary, &t, i);
    }
    wr_text(out, "]}");
    *json_len = out->len;
    wr_bytes(out, binary.data, binary.len);
    if (!out->status)
        out->status = binary.status;
    wr_release(&binary);
}

void infer_write_error(struct wr *out, const char *text)
{
    wr_text(out, "{\"error\":");
    write_string(out, text);
    wr_u8(out, '}');
}

static void write_parameters(const struct infer_model *m, const char *model_id, struct wr *out)
{
    wr_printf(out, ",\"parameters\":{\"model_id\":\"%s\",\"low\":", model_id);
    write_float(out, m->low);
    wr_text(out, ",\"high\":");
    write_float(out, m->high);
    wr_printf(out, ",\"images_max\":%zu,\"transformed\":%s,\"class_names\":[", m->images_max,
              m->is_baseline ? "false" : "true");
    for (size_t k = 0; k < m->classes; k++) {
        if (k)
            wr_u8(out, ',');
        write_string(out, m->class_names[k]);
    }
    wr_text(out, "]}");
}

void infer_write_metadata(const struct infer_model *m, const char *model_id, struct wr *out)
{
    bool is_first = true;

    wr_printf(out,
              "{\"name\":\"%s\",\"versions\":[\"%s\"],\"platform\":\"ward\",\"inputs\":[{\"name\":"
              "\"input\",\"datatype\":\"FP32\",\"shape\":[-1,%zu,%zu,%zu]}],\"outputs\":[",
              m->name, m->version, m->channels, m->height, m->width);
    for (size_t i = 0; i < OUTPUTS; i++) {
        if (!(m->outputs & outputs[i].output))
            continue;
        wr_printf(out, "%s{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[-1", is_first ? "" : ",",
                  outputs[i].name, outputs[i].type);
        write_inner_shape(out, m, outputs[i].output);
        wr_text(out, "]}");
        is_first = false;
    }
    wr_u8(out, ']');
    write_parameters(m, model_id, out);
    wr_u8(out, '}');
}

void infer_write_server(const char *version, const char *model, struct wr *out)
{
    wr_printf(out,
              "{\"name\":\"ward\",\"version\":\"%s\",\"extensions\":[\"binary_tensor_data\"],"
              "\"parameters\":{\"model\":\"%s\"}}",
              version, model);
}
