/* See reply.h. */
#include "serve/reply.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static ward_status read_shape(const json_t *metadata, ward_remote_info *info)
{
    json_t *input = json_array_get(json_object_get(metadata, "inputs"), 0);
    json_int_t batch, c, h, w;

    if (json_unpack(input, "{s:[I,I,I,I]}", "shape", &batch, &c, &h, &w) != 0 || c < 1 || c > 64 ||
        h < 1 || h > 16384 || w < 1 || w > 16384 || c * h * w > 1 << 24)
        return ward_fail(WARD_ERR_FORMAT, "the model takes no images");
    info->channels = (size_t)c;
    info->height = (size_t)h;
    info->width = (size_t)w;
    return WARD_OK;
}

/* It may be shown on a terminal. */
static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static ward_status read_classes(const json_t *names, ward_remote_info *info)
{
    const char **list = NULL;
    size_t count = json_array_size(names);
    ward_status st;

    if (count < 1 || count > 1000)
        return ward_fail(WARD_ERR_FORMAT, "the model names no classes");
    st = mem_new(&list, count, sizeof *list);
    for (size_t k = 0; k < count && !st; k++) {
        list[k] = json_string_value(json_array_get(names, k));
        if (!list[k] || !is_printable(list[k]))
            st = ward_fail(WARD_ERR_FORMAT, "the name of a class is no text");
    }
    if (st) {
        mem_free(list);
        return st;
    }
    info->classes = count;
    info->class_names = list;
    return WARD_OK;
}

static void read_outputs(const json_t *outputs, ward_remote_info *info)
{
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(outputs, i), "name"));

        info->has_scores |= name && strcmp(name, "scores") == 0;
        info->is_transform_only |= name && strcmp(name, "processed") == 0;
    }
}

ward_status reply_model(const json_t *metadata, struct remote_model *model)
{
    const json_t *more = json_object_get(metadata, "parameters");
    ward_remote_info *info = &model->info;
    uint64_t images_max = 1;
    double low = 0, high = 0;
    ward_status st = json_get_string(metadata, "name", &info->name);

    if (!st)
        st = json_get_string(more, "model_id", &info->model_id);
    if (!st && !(is_printable(info->name) && is_printable(info->model_id)))
        st = ward_fail(WARD_ERR_FORMAT, "the model's name is no text");
    if (!st)
        st = read_shape(metadata, info);
    if (!st)
        st = json_get_real(more, "low", &low);
    if (!st)
        st = json_get_real(more, "high", &high);
    if (!st)
        st = json_get_u64(more, "images_max", UINT32_MAX, &images_max);
    info->low = (float)low;
    info->high = (float)high;
    if (!st && (!(info->low < info->high) || !isfinite(info->high - info->low)))
        st = ward_fail(WARD_ERR_FORMAT, "the model's range is empty or endless");
    if (!st && images_max < 1)
        st = ward_fail(WARD_ERR_FORMAT, "the model takes no images");
    if (!st)
        st = read_classes(json_object_get(more, "class_names"), info);
    if (st)
        return st;
    model->images_max = (size_t)images_max;
    info->is_baseline = json_is_false(json_object_get(more, "transformed"));
    read_outputs(json_object_get(metadata, "outputs"), info);
    return WARD_OK;
}

void remote_model_release(struct remote_model *model)
{
    mem_free((void *)(uintptr_t)model->info.class_names);
    *model = (struct remote_model){.images_max = 0};
}

bool reply_announces(const json_t *answer, const char *const *names, const size_t *lens)
{
    const json_t *outputs = json_object_get(answer, "outputs");
    size_t count = 0;

    for (; names[count]; count++) {
        const json_t *output = json_array_get(outputs, count);
        const char *name = json_string_value(json_object_get(output, "name"));
        uint64_t len;

        if (!name || strcmp(name, names[count]) != 0 ||
            json_get_u64(json_object_get(output, "parameters"), "binary_data_size", SIZE_MAX / 2,
                         &len) ||
            len != lens[count])
            return false;
    }
    return json_array_size(outputs) == count;
}
