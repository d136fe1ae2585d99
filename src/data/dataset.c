#include "data/dataset.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/batch.h"

/* CIFAR-10 is trained on crops of this size: the paper's setting. */
enum { CIFAR_CROP = 28 };

ward_status part_new(struct part *part, const ward_input *input, size_t count)
{
    size_t image = (size_t)input->channels * input->stored_height * input->stored_width;
    ward_status st;

    if (count > UINT32_MAX)
        return ward_fail(WARD_ERR_FORMAT, "more than %u images", UINT32_MAX);
    st = mem_new(&part->pixels, count, image);
    if (!st)
        st = mem_new(&part->labels, count, sizeof *part->labels);
    part->count = count;
    return st;
}

void ward_dataset_free(ward_dataset *data)
{
    if (!data)
        return;
    for (size_t i = 0; i < 2; i++) {
        mem_free(data->part[i].pixels);
        mem_free(data->part[i].labels);
    }
    if (data->class_names)
        file_list_free(data->class_names, data->info.classes);
    mem_free(data->name);
    mem_free(data->path);
    mem_free(data);
}

/* From the published names; without them, the numbers from 0. */
static ward_status name_classes(ward_dataset *data, const struct known_set *set)
{
    unsigned classes = data->info.classes;
    ward_status st;

    st = mem_new(&data->class_names, classes, sizeof *data->class_names);
    for (unsigned k = 0; !st && k < classes; k++)
        st = set ? mem_strdup(&data->class_names[k], set->class_names[k])
                 : mem_printf(&data->class_names[k], "%u", k);
    return st;
}

static void settle(ward_dataset *data, enum layout layout)
{
    ward_dataset_info *info = &data->info;
    ward_input *input = &info->input;
    bool is_cifar = layout == LAYOUT_CIFAR;

    info->name = data->name;
    info->path = data->path;
    info->train_count = data->part[WARD_SPLIT_TRAIN].count;
    info->test_count = data->part[WARD_SPLIT_TEST].count;
    info->random_crop = info->random_flip = is_cifar;
    input->height = is_cifar ? CIFAR_CROP : input->stored_height;
    input->width = is_cifar ? CIFAR_CROP : input->stored_width;
    input->low = is_cifar ? -1.0f : 0.0f;
    input->high = 1.0f;
    for (unsigned i = 0; i < 256; i++)
        data->value[i] = input->low + (input->high - input->low) * ((float)i / 255.0f);
}

static ward_status read_layout(ward_dataset *data, const char *path, enum layout layout,
                               const struct known_set *set)
{
    switch (layout) {
    case LAYOUT_IDX: return idx_load(data, path, set ? set->classes : 0);
    case LAYOUT_CIFAR: return cifar_load(data, path, set->records);
    case LAYOUT_FOLDER: return folder_load(data, path);
    case LAYOUT_NONE: break;
    }
    return ward_fail(WARD_ERR_FORMAT, "'%s' holds no data set", path);
}

ward_status dataset_load(ward_dataset **out, const char *name, const char *path, enum layout layout,
                         const struct known_set *set)
{
    ward_dataset *data = NULL;
    ward_status st;

    st = mem_new(&data, 1, sizeof *data);
    if (!st)
        st = mem_strdup(&data->name, name);
    if (!st)
        st = mem_strdup(&data->path, path);
    if (!st)
        st = read_layout(data, path, layout, set);
    if (!st && !data->class_names)
        st = name_classes(data, set);
    if (st) {
        ward_dataset_free(data);
        return st;
    }
    settle(data, layout);
    *out = data;
    return WARD_OK;
}

ward_status ward_dataset_open(ward_dataset **out, const char *spec)
{
    const struct known_set *set = NULL;
    enum layout layout = LAYOUT_NONE;
    const char *slash;
    char *path = NULL;
    ward_status st;

    st = data_resolve(spec, &path, &set, &layout);
    if (st)
        return st;
    slash = strrchr(path, '/');
    st = dataset_load(out,
                      set                 ? set->name
                      : slash && slash[1] ? slash + 1
                                          : path,
                      path, layout, set);
    mem_free(path);
    return st;
}

const ward_dataset_info *ward_dataset_get_info(const ward_dataset *data)
{
    return &data->info;
}

const char *ward_dataset_class_name(const ward_dataset *data, unsigned k)
{
    return k < data->info.classes ? data->class_names[k] : NULL;
}

ward_status ward_dataset_read(const ward_dataset *data, ward_split kind, size_t first, size_t count,
                              float *x, int32_t *y)
{
    struct split split = {data, kind, NULL, 0};

    if (kind != WARD_SPLIT_TRAIN && kind != WARD_SPLIT_TEST)
        return ward_fail(WARD_ERR_ARG, "only the training and the test images can be read");
    split.count = (uint32_t)data->part[kind].count;
    return batch_read(&split, first, count, x, y);
}

ward_status ward_input_prepare(const ward_input *input, const ward_image *image, float *x)
{
    bool is_stored = image->width == input->stored_width && image->height == input->stored_height;
    bool is_input = image->width == input->width && image->height == input->height;
    unsigned top, left;

    if ((!is_stored && !is_input) || image->channels != input->channels)
        return ward_fail(WARD_ERR_ARG,
                         "a picture of %ux%u pixels and %u channel%s, where the "
                         "network takes %ux%u and %u",
                         image->width, image->height, image->channels,
                         image->channels == 1 ? "" : "s", input->width, input->height,
                         input->channels);
    top = (image->height - input->height) / 2;
    left = (image->width - input->width) / 2;
    for (unsigned c = 0; c < input->channels; c++)
        for (unsigned row = top; row < top + input->height; row++)
            for (unsigned column = left; column < left + input->width; column++) {
                size_t at = (size_t)row * image->width + column;
                float v = (float)image->pixels[at * image->channels + c] / 255.0f;

                *x++ = input->low + (input->high - input->low) * v;
            }
    return WARD_OK;
}
