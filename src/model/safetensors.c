/* The safetensors format: see safetensors.h and docs/formats.md, section 1. */
#include "model/safetensors.h"

#include <inttypes.h>

#include "base/mem.h"

/* Values go to and from files as they lie in memory. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "only little-endian machines are supported"
#endif

enum { LENGTH_LEN = 8, ALIGNMENT = 8 };

static const char metadata_key[] = "__metadata__";

/* ---- writing ---- */

static json_t *shape_to_json(const struct shape *shape)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < shape->rank; i++)
        if (json_array_append_new(array, json_integer((json_int_t)shape->dim[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static ward_status add_entry(json_t *header, const char *name, const struct tensor *t,
                             uint64_t *offset)
{
    uint64_t begin = *offset, end = begin + shape_count(&t->shape) * sizeof(float);
    json_t *entry;

    if (json_object_get(header, name))
        return ward_fail(WARD_ERR_ARG, "two tensors are named '%s'", name);
    entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape_to_json(&t->shape),
                      "data_offsets", (json_int_t)begin, (json_int_t)end);
    *offset = end;
    return json_set(header, name, entry);
}

static ward_status add_part(json_t *header, const struct safetensors_part *part, uint64_t *offset)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; i < part->list->count && !st; i++) {
        char name[TENSOR_MAX_NAME];
        const struct tensor *t = &part->list->items[i];

        if (strlen(part->prefix) + strlen(t->name) >= sizeof name)
            return ward_fail(WARD_ERR_ARG, "tensor name '%s%s' is too long", part->prefix, t->name);
        memcpy(name, part->prefix, strlen(part->prefix));
        memcpy(name + strlen(part->prefix), t->name, strlen(t->name) + 1);
        st = add_entry(header, name, t, offset);
    }
    return st;
}

static ward_status header_write(struct wr *out, const char *text)
{
    size_t len = strlen(text), padding = (ALIGNMENT - len % ALIGNMENT) % ALIGNMENT;

    if (len + padding > SAFETENSORS_MAX_HEADER)
        return ward_fail(WARD_ERR_ARG, "too many tensors: the header would be %zu bytes long", len);
    wr_u64le(out, len + padding);
    wr_text(out, text);
    for (size_t i = 0; i < padding; i++)
        wr_u8(out, ' ');
    return wr_finish(out);
}

ward_status safetensors_header(struct wr *out, const struct safetensors_part *parts, size_t count,
                               const json_t *metadata)
{
    json_t *header = json_object();
    char *text = NULL;
    uint64_t offset = 0;
    ward_status st = WARD_OK;

    if (metadata)
        st = json_set(header, metadata_key, json_deep_copy(metadata));
    for (size_t i = 0; i < count && !st; i++)
        st = add_part(header, &parts[i], &offset);
    if (!st && safetensors_tensor_count(parts, count) > SAFETENSORS_MAX_TENSORS)
        st = ward_fail(WARD_ERR_ARG, "more than %d tensors", SAFETENSORS_MAX_TENSORS);
    if (!st && offset > SAFETENSORS_MAX_FILE - 2 * SAFETENSORS_MAX_HEADER)
        st = ward_fail(WARD_ERR_ARG, "%" PRIu64 " bytes of tensors: too large for a file", offset);
    if (!st)
        st = json_to_text(header, 0, &text);
    if (!st)
        st = header_write(out, text);
    mem_free(text);
    json_decref(header);
    return st;
}

size_t safetensors_tensor_count(const struct safetensors_part *parts, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += parts[i].list->count;
    return sum;
}

void safetensors_pieces(const struct safetensors_part *parts, size_t count,
                        struct file_piece *pieces)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < parts[i].list->count; j++) {
            const struct tensor *t = &parts[i].list->items[j];

            *pieces++ = (struct file_piece){t->data, shape_count(&t->shape) * sizeof(float)};
        }
}

/* ---- parsing ---- */

struct entry {
    const char *name; /* borrowed from the header */
    struct shape shape;
    size_t begin, end;
};

static ward_status name_check(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return ward_fail(WARD_ERR_FORMAT, "a tensor's name is not printable ASCII");
    if (len == 0 || len >= TENSOR_MAX_NAME)
        return ward_fail(WARD_ERR_FORMAT, "a tensor's name has %zu bytes, not 1 to %d", len,
                         TENSOR_MAX_NAME - 1);
    return WARD_OK;
}

static ward_status shape_parse(const char *name, const json_t *json, struct shape *out, size_t *len)
{
    size_t rank = json_array_size(json), product = sizeof(float);
    struct shape shape = shape_make(0, 1, 1, 1, 1);

    if (!json_is_array(json) || rank > TENSOR_MAX_RANK)
        return ward_fail(WARD_ERR_FORMAT,
                         "tensor '%s': 'shape' is not an array of up to %d numbers", name,
                         TENSOR_MAX_RANK);
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(json, i);

        if (!json_is_integer(dim) || json_integer_value(dim) < 1)
            return ward_fail(WARD_ERR_FORMAT,
                             "tensor '%s': a dimension is not a whole number from 1", name);
        if (!mul_size(product, (size_t)json_integer_value(dim), &product))
            return ward_fail(WARD_ERR_FORMAT, "tensor '%s' is impossibly large", name);
        shape.dim[i] = (size_t)json_integer_value(dim);
    }
    shape.rank = (unsigned)rank;
    *out = shape;
    *len = product;
    return WARD_OK;
}

static ward_status offsets_parse(const json_t *json, size_t data_len, struct entry *e)
{
    const json_t *begin = json_array_get(json, 0), *end = json_array_get(json, 1);

    if (json_array_size(json) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return ward_fail(WARD_ERR_FORMAT, "tensor '%s': 'data_offsets' is not two whole numbers",
                         e->name);
    if (json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin) ||
        (uint64_t)json_integer_value(end) > data_len)
        return ward_fail(WARD_ERR_FORMAT,
                         "tensor '%s': its values are not within the %zu bytes that are there",
                         e->name, data_len);
    e->begin = (size_t)json_integer_value(begin);
    e->end = (size_t)json_integer_value(end);
    return WARD_OK;
}

static ward_status entry_parse(const char *name, const json_t *json, size_t data_len,
                               struct entry *e)
{
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    size_t len = 0;
    ward_status st = name_check(name);

    if (st)
        return st;
    e->name = name;
    if (!json_is_object(json) || json_object_size(json) != 3 || !dtype)
        return ward_fail(WARD_ERR_FORMAT,
                         "tensor '%s' is not described by 'dtype', 'shape' and 'data_offsets'",
                         name);
    if (strcmp(dtype, "F32") != 0)
        return ward_fail(WARD_ERR_FORMAT, "tensor '%s' is of type '%.8s', not 'F32'", name, dtype);
    st = shape_parse(name, json_object_get(json, "shape"), &e->shape, &len);
    if (!st)
        st = offsets_parse(json_object_get(json, "data_offsets"), data_len, e);
    if (!st && e->end - e->begin != len)
        st = ward_fail(WARD_ERR_FORMAT, "tensor '%s' has %zu bytes, but its shape makes %zu", name,
                       e->end - e->begin, len);
    return st;
}

static int compare_begin(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* That the sorted entries follow each other from 0 to data_len bounds all that will be allocated.
 */
static ward_status entries_check(const struct entry *entries, size_t count, size_t data_len)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (entries[i].begin != at)
            return ward_fail(WARD_ERR_FORMAT, "tensor '%s' %s", entries[i].name,
                             entries[i].begin < at ? "overlaps another" : "follows a gap");
        at = entries[i].end;
    }
    if (at != data_len)
        return ward_fail(WARD_ERR_FORMAT, "%zu bytes follow the last tensor", data_len - at);
    return WARD_OK;
}

static ward_status metadata_check(const json_t *metadata)
{
    json_t *object = (json_t *)metadata; /* jansson's iterators take no const */

    if (!json_is_object(metadata))
        return ward_fail(WARD_ERR_FORMAT, "'%s' is not an object", metadata_key);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
        if (!json_is_string(json_object_iter_value(at)))
            return ward_fail(WARD_ERR_FORMAT, "a value of '%s' is not a string", metadata_key);
    return WARD_OK;
}

static ward_status entries_parse(json_t *header, size_t data_len, struct entry *entries,
                                 size_t *count)
{
    size_t n = 0;
    ward_status st = WARD_OK;

    for (void *at = json_object_iter(header); at && !st; at = json_object_iter_next(header, at)) {
        const char *name = json_object_iter_key(at);

        if (strcmp(name, metadata_key) == 0)
            st = metadata_check(json_object_iter_value(at));
        else
            st = entry_parse(name, json_object_iter_value(at), data_len, &entries[n++]);
    }
    if (st)
        return st;
    qsort(entries, n, sizeof *entries, compare_begin);
    *count = n;
    return entries_check(entries, n, data_len);
}

static ward_status tensors_make(struct tensor_list *out, const struct entry *entries, size_t count,
                                const uint8_t *data)
{
    struct tensor_list list = {0};
    ward_status st = WARD_OK;

    for (size_t i = 0; i < count && !st; i++) {
        const struct entry *e = &entries[i];
        struct tensor *t;

        st = tensor_list_add(&list, e->name, &e->shape, &t);
        if (!st)
            memcpy(t->data, data + e->begin, e->end - e->begin);
    }
    if (st)
        tensor_list_release(&list);
    else
        *out = list;
    return st;
}

static ward_status header_read(struct rd *rd, json_t **out)
{
    uint64_t len = rd_u64le(rd);
    const uint8_t *text;

    if (rd->failed || len < 2 || len > SAFETENSORS_MAX_HEADER)
        return ward_fail(WARD_ERR_FORMAT, "not a safetensors file: no header length");
    text = rd_bytes(rd, (size_t)len);
    if (!text)
        return ward_fail(WARD_ERR_FORMAT, "the file ends within its header");
    if (text[0] != '{')
        return ward_fail(WARD_ERR_FORMAT, "not a safetensors file: the header is no JSON object");
    return json_parse_object(out, (const char *)text, (size_t)len);
}

ward_status safetensors_parse(struct tensor_list *tensors, json_t **metadata, const uint8_t *data,
                              size_t len)
{
    struct rd rd;
    struct entry *entries = NULL;
    json_t *header = NULL, *strings = NULL;
    size_t count = 0;
    ward_status st;

    rd_init(&rd, data, len);
    st = header_read(&rd, &header);
    if (st)
        return st;
    if (json_object_size(header) > SAFETENSORS_MAX_TENSORS + 1) {
        st = ward_fail(WARD_ERR_FORMAT, "more than %d tensors", SAFETENSORS_MAX_TENSORS);
        goto done;
    }
    st = mem_new(&entries, json_object_size(header), sizeof *entries);
    if (!st)
        st = entries_parse(header, rd_left(&rd), entries, &count);
    if (st)
        goto done;
    strings = json_object_get(header, metadata_key);
    strings = strings ? json_incref(strings) : json_object();
    if (!strings)
        st = ward_fail(WARD_ERR_NOMEM, "out of memory");
    if (!st)
        st = tensors_make(tensors, entries, count, data + rd.pos);
    if (st)
        goto done;

    *metadata = strings;
    strings = NULL;
done:
    json_decref(strings);
    json_decref(header);
    mem_free(entries);
    return st;
}
