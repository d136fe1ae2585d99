/* The public model file and the digest that names it: see model.h. */
#include "model/model.h"

#include <math.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/util.h"
#include "model/params.h"
#include "model/safetensors.h"
#include "model/spec.h"

static const char format_name[] = "ward-model";
static const char format_version[] = "1";

/* JSON has text in UTF-8 only. */
static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);
    bool is_text = string != NULL;

    json_decref(string);
    return is_text;
}

static bool is_label(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return len >= 1 && len <= MODEL_MAX_LABEL && is_utf8(text);
}

/* The pointers and then the texts, in one block. */
static ward_status copy_names(const char *const *names, size_t count, char ***out)
{
    size_t len = count * sizeof(char *);
    char **copy, *at;
    ward_status st;

    for (size_t k = 0; k < count; k++)
        len += strlen(names[k]) + 1;
    st = mem_new(&copy, len, 1);
    if (st)
        return st;
    at = (char *)(copy + count);
    for (size_t k = 0; k < count; k++) {
        copy[k] = at;
        memcpy(at, names[k], strlen(names[k]) + 1);
        at += strlen(names[k]) + 1;
    }
    *out = copy;
    return WARD_OK;
}

ward_status model_describe(struct model *m, const char *data, float low, float high,
                           const char *const *class_names, size_t classes)
{
    char *data_copy = NULL, **names = NULL;
    ward_status st = WARD_OK;

    if (!is_label(data))
        return ward_fail(WARD_ERR_ARG,
                         "the data set's name is empty, long, or not one line of UTF-8");
    for (size_t k = 0; k < classes; k++)
        if (!is_label(class_names[k]))
            return ward_fail(WARD_ERR_ARG,
                             "the name of class %zu is empty, long, or not one line of UTF-8", k);
    st = mem_strdup(&data_copy, data);
    if (!st)
        st = copy_names(class_names, classes, &names);
    if (st) {
        mem_free(data_copy);
        return st;
    }
    m->data = data_copy;
    m->class_names = names;
    m->low = low;
    m->high = high;
    return WARD_OK;
}

json_t *model_class_names(const struct model *m)
{
    json_t *array = json_array();

    for (size_t k = 0; k < m->net.spec.classes; k++)
        if (json_array_append_new(array, json_string(m->class_names[k])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

void model_release(struct model *m)
{
    mem_free(m->class_names);
    mem_free(m->data);
    net_release(&m->net);
    *m = (struct model){0};
}

/* ---- model_id: docs/formats.md, section 1 ---- */

static void add_u64(struct sha256 *sha, uint64_t v)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(v >> 8 * i);
    sha256_update(sha, bytes, sizeof bytes);
}

static void add_string(struct sha256 *sha, const char *text)
{
    add_u64(sha, strlen(text));
    sha256_update(sha, text, strlen(text));
}

static void add_tensor(struct sha256 *sha, const struct tensor *t)
{
    add_string(sha, t->name);
    add_u64(sha, t->shape.rank);
    for (unsigned i = 0; i < t->shape.rank; i++)
        add_u64(sha, t->shape.dim[i]);
    sha256_update(sha, t->data, shape_count(&t->shape) * sizeof(float));
}

void model_identify(struct model *m)
{
    const struct net_spec *spec = &m->net.spec;
    uint8_t sum[SHA256_LEN];
    struct sha256 sha;

    sha256_init(&sha);
    add_string(&sha, "ward-model-id-1");
    add_string(&sha, spec->arch);
    add_string(&sha, ward_method_name(m->method));
    add_u64(&sha, spec->channels);
    add_u64(&sha, spec->height);
    add_u64(&sha, spec->width);
    add_u64(&sha, spec->classes);
    sha256_update(&sha, &m->low, sizeof m->low);
    sha256_update(&sha, &m->high, sizeof m->high);
    for (size_t k = 0; k < spec->classes; k++)
        add_string(&sha, m->class_names[k]);
    for (size_t i = 0; i < m->net.params.count; i++)
        add_tensor(&sha, &m->net.params.items[i]);
    sha256_finish(&sha, sum);
    hex_encode(sum, sizeof sum, m->id);
}

/* ---- writing ---- */

/* metadata[key] = the JSON text of array, which is released; NULL stands for out of memory. */
static ward_status set_text(json_t *metadata, const char *key, json_t *array)
{
    char *text = NULL;
    ward_status st =
        array ? json_to_text(array, 0, &text) : ward_fail(WARD_ERR_NOMEM, "cannot store '%s'", key);

    if (!st)
        st = json_set(metadata, key, json_string(text));
    mem_free(text);
    json_decref(array);
    return st;
}

static ward_status describe_strings(json_t *metadata, const struct model *m)
{
    const char *const strings[][2] = {
        {"format", format_name},
        {"format_version", format_version},
        {"ward_version", WARD_VERSION},
        {"architecture", m->net.spec.arch},
        {"method", ward_method_name(m->method)},
        {"data", m->data},
        {"model_id", m->id},
    };
    ward_status st = WARD_OK;

    for (size_t i = 0; i < sizeof strings / sizeof strings[0] && !st; i++)
        st = json_set(metadata, strings[i][0], json_string(strings[i][1]));
    return st;
}

ward_status model_metadata(const struct model *m, json_t **out)
{
    const struct net_spec *spec = &m->net.spec;
    json_t *metadata = json_object();
    ward_status st = describe_strings(metadata, m);

    if (!st)
        st = set_text(metadata, "input_shape",
                      json_pack("[I, I, I]", (json_int_t)spec->channels, (json_int_t)spec->height,
                                (json_int_t)spec->width));
    if (!st)
        st =
            set_text(metadata, "input_range", json_pack("[f, f]", (double)m->low, (double)m->high));
    if (!st)
        st = set_text(metadata, "class_names", model_class_names(m));
    if (st)
        json_decref(metadata);
    else
        *out = metadata;
    return st;
}

ward_status model_write(const char *path, const struct model *m)
{
    const struct safetensors_part part = {"", &m->net.params};
    size_t count = m->net.params.count + 1;
    struct file_piece *pieces = NULL;
    struct wr header = WR_INIT;
    json_t *metadata = NULL;
    ward_status st = params_are_finite(&m->net.params);

    if (!st)
        st = model_metadata(m, &metadata);
    if (!st)
        st = safetensors_header(&header, &part, 1, metadata);
    if (!st)
        st = mem_new(&pieces, count, sizeof *pieces);
    if (!st) {
        pieces[0] = (struct file_piece){header.data, header.len};
        safetensors_pieces(&part, 1, pieces + 1);
        st = file_writev(path, pieces, count, FILE_REPLACE);
    }
    mem_free(pieces);
    wr_release(&header);
    json_decref(metadata);
    return st;
}

/* ---- reading ---- */

ward_status model_metadata_expect(const json_t *metadata, const char *key, const char *wanted)
{
    const char *text;
    ward_status st = json_get_string(metadata, key, &text);

    if (!st && strcmp(text, wanted) != 0)
        st = ward_fail(WARD_ERR_FORMAT, "'%s' is '%.32s', not '%s'", key, text, wanted);
    return st;
}

/* The array that is written as JSON text in metadata[key]; owned. */
static ward_status get_array(const json_t *metadata, const char *key, json_t **out)
{
    const char *text;
    json_error_t error;
    json_t *array;
    ward_status st = json_get_string(metadata, key, &text);

    if (st)
        return st;
    array = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!array && json_error_code(&error) == json_error_out_of_memory)
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    if (!json_is_array(array)) {
        json_decref(array);
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not the text of a JSON array", key);
    }
    *out = array;
    return WARD_OK;
}

static ward_status read_shape(const json_t *metadata, struct net_spec *spec)
{
    size_t *const dims[] = {&spec->channels, &spec->height, &spec->width};
    json_t *array = NULL;
    ward_status st = get_array(metadata, "input_shape", &array);

    if (st)
        return st;
    if (json_array_size(array) != 3)
        st = ward_fail(WARD_ERR_FORMAT, "'input_shape' has not three numbers");
    for (size_t i = 0; i < 3 && !st; i++) {
        const json_t *dim = json_array_get(array, i);

        if (!json_is_integer(dim) || json_integer_value(dim) < 1)
            st = ward_fail(WARD_ERR_FORMAT, "'input_shape' is not of whole numbers from 1");
        else
            *dims[i] = (size_t)json_integer_value(dim);
    }
    json_decref(array);
    return st ? st : spec_shape_check(spec->channels, spec->height, spec->width);
}

static ward_status read_range(const json_t *metadata, float *low, float *high)
{
    json_t *array = NULL;
    ward_status st = get_array(metadata, "input_range", &array);

    if (st)
        return st;
    *low = (float)json_number_value(json_array_get(array, 0));
    *high = (float)json_number_value(json_array_get(array, 1));
    if (json_array_size(array) != 2 || !json_is_number(json_array_get(array, 0)) ||
        !json_is_number(json_array_get(array, 1)) || !isfinite(*low) || !isfinite(*high) ||
        !(*low < *high))
        st = ward_fail(WARD_ERR_FORMAT, "'input_range' is not [low, high]");
    json_decref(array);
    return st;
}

/* Names, and data beside them: what model_describe() takes. */
static ward_status read_labels(const json_t *metadata, struct model *m, float low, float high)
{
    const char *data, **names = NULL;
    json_t *array = NULL;
    size_t classes = 0;
    ward_status st = json_get_string(metadata, "data", &data);

    if (!st)
        st = get_array(metadata, "class_names", &array);
    if (st)
        return st;
    classes = json_array_size(array);
    st = mem_new(&names, classes, sizeof *names);
    for (size_t k = 0; k < classes && !st; k++) {
        names[k] = json_string_value(json_array_get(array, k));
        if (!names[k])
            st = ward_fail(WARD_ERR_FORMAT, "a class name is not a string");
    }
    if (!st)
        st = model_describe(m, data, low, high, names, classes);
    if (!st)
        m->net.spec.classes = classes;
    mem_free(names);
    json_decref(array);
    return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
}

ward_status model_metadata_read(const json_t *metadata, struct model *m)
{
    const char *arch, *method;
    float low = 0, high = 0;
    ward_status st = json_get_string(metadata, "architecture", &arch);

    if (!st)
        st = spec_set_arch(&m->net.spec, arch);
    if (!st)
        st = json_get_string(metadata, "method", &method);
    if (!st)
        st = ward_method_parse(method, &m->method) ? WARD_ERR_FORMAT : WARD_OK;
    if (!st)
        st = read_shape(metadata, &m->net.spec);
    if (!st)
        st = read_range(metadata, &low, &high);
    return st ? st : read_labels(metadata, m, low, high);
}

static ward_status check_id(const json_t *metadata, struct model *m)
{
    const char *id;
    ward_status st = json_get_string(metadata, "model_id", &id);

    if (st)
        return st;
    model_identify(m);
    if (strcmp(id, m->id) != 0)
        st = ward_fail(WARD_ERR_FORMAT,
                       "altered or damaged: its model_id is not that of its contents");
    return st;
}

ward_status model_parse(const uint8_t *data, size_t len, struct model *m)
{
    struct model made = {0};
    struct tensor_list tensors = {0};
    json_t *metadata = NULL;
    struct graph g;
    ward_status st = safetensors_parse(&tensors, &metadata, data, len);

    graph_init(&g);
    if (!st)
        st = model_metadata_expect(metadata, "format", format_name);
    if (!st)
        st = model_metadata_expect(metadata, "format_version", format_version);
    if (!st)
        st = model_metadata_read(metadata, &made);
    if (!st)
        st = net_graph(&g, &made.net.spec);
    if (st == WARD_ERR_ARG)
        st = WARD_ERR_FORMAT; /* what would be a caller's mistake elsewhere is the file's here */
    if (!st)
        st = params_take(&made.net.params, &tensors, "", &g, false);
    if (!st)
        st = params_taken_all(&tensors);
    if (!st)
        st = check_id(metadata, &made);
    if (!st) {
        *m = made;
        made = (struct model){0};
    }
    model_release(&made);
    graph_release(&g);
    json_decref(metadata);
    tensor_list_release(&tensors);
    return st;
}

ward_status model_read(const char *path, struct model *m)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, SAFETENSORS_MAX_FILE, &data, &len);

    if (st)
        return st;
    st = model_parse(data, len, m);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(data);
    return st;
}
