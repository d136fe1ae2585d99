/* A user's own pictures: train/CLASS/ and test/CLASS/, of one size, all grey or all RGB. */
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/dataset.h"
#include "image/image.h"

/* The pictures of one class of one part. */
struct shelf {
    char *path;
    char **names;
    size_t count;
};

static bool is_picture(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
                   strcasecmp(dot, ".jpeg") == 0);
}

/* The names in a folder but the hidden ones, which desktops strew about. */
static ward_status list_visible(const char *path, char ***names, size_t *count)
{
    char **all = NULL;
    size_t kept = 0, n = 0;
    ward_status st;

    st = file_list(path, &all, &n);
    if (st)
        return st;
    for (size_t i = 0; i < n; i++) {
        char *name = all[i];

        all[i] = NULL;
        if (name[0] == '.')
            mem_free(name);
        else
            all[kept++] = name;
    }
    *names = all;
    *count = kept;
    return WARD_OK;
}

static ward_status check_names(const char *path, char **names, size_t count, bool want_folders)
{
    if (count == 0)
        return ward_fail(WARD_ERR_FORMAT, "'%s' is empty", path);
    for (size_t i = 0; i < count; i++) {
        char *entry = NULL;
        bool is_folder;
        ward_status st = file_join(&entry, path, names[i]);

        if (st)
            return st;
        is_folder = file_is_directory(entry);
        if (want_folders && !is_folder)
            st = ward_fail(WARD_ERR_FORMAT, "'%s' is not a class folder", entry);
        else if (!want_folders && (is_folder || !is_picture(names[i])))
            st = ward_fail(WARD_ERR_FORMAT, "'%s' is not a PNG or JPEG file", entry);
        mem_free(entry);
        if (st)
            return st;
    }
    return WARD_OK;
}

static ward_status shelf_init(struct shelf *shelf, const char *root, const char *class_name)
{
    ward_status st;

    st = file_join(&shelf->path, root, class_name);
    if (!st)
        st = list_visible(shelf->path, &shelf->names, &shelf->count);
    return st ? st : check_names(shelf->path, shelf->names, shelf->count, false);
}

static void shelves_free(struct shelf *shelves, size_t count)
{
    for (size_t i = 0; shelves && i < count; i++) {
        file_list_free(shelves[i].names, shelves[i].count);
        mem_free(shelves[i].path);
    }
    mem_free(shelves);
}

static ward_status check_same_classes(const ward_dataset *data, const char *root, char **names,
                                      size_t count)
{
    size_t i = 0;

    while (i < count && i < data->info.classes && strcmp(names[i], data->class_names[i]) == 0)
        i++;
    if (i == count && i == data->info.classes)
        return WARD_OK;
    /* Both are sorted, so the lesser of the two first that differ is missing from the other. */
    if (i == count || (i < data->info.classes && strcmp(data->class_names[i], names[i]) < 0))
        return ward_fail(WARD_ERR_FORMAT, "'%s' lacks the class '%s' of the training images", root,
                         data->class_names[i]);
    return ward_fail(WARD_ERR_FORMAT, "'%s' has a class '%s' that the training images lack", root,
                     names[i]);
}

/* The training part's classes become the data set's; the test part's must be the same. */
static ward_status take_classes(ward_dataset *data, const char *root)
{
    char **names = NULL;
    size_t count = 0;
    ward_status st;

    st = list_visible(root, &names, &count);
    if (!st)
        st = check_names(root, names, count, true);
    if (!st && data->class_names)
        st = check_same_classes(data, root, names, count);
    else if (!st && (count < 2 || count > DATA_MAX_CLASSES))
        st = ward_fail(WARD_ERR_FORMAT, "'%s' has %zu classes instead of 2 to %d", root, count,
                       DATA_MAX_CLASSES);
    else if (!st) {
        data->class_names = names;
        data->info.classes = (unsigned)count;
        return WARD_OK;
    }
    file_list_free(names, count);
    return st;
}

static const char *colours(unsigned channels)
{
    return channels == 1 ? "grey" : "RGB";
}

static ward_status check_like_first(const ward_input *input, const ward_image *image)
{
    if (image->width == input->stored_width && image->height == input->stored_height &&
        image->channels == input->channels)
        return WARD_OK;
    return ward_fail(WARD_ERR_FORMAT, "%ux%u pixels, %s, but the first picture has %ux%u, %s",
                     image->width, image->height, colours(image->channels), input->stored_width,
                     input->stored_height, colours(input->channels));
}

static void store(uint8_t *planes, const ward_image *image)
{
    size_t area = (size_t)image->width * image->height;

    for (size_t i = 0; i < area; i++)
        for (unsigned c = 0; c < image->channels; c++)
            planes[c * area + i] = image->pixels[i * image->channels + c];
}

/* Read one picture into place at of the part, which the first of all gives its size. */
static ward_status read_picture(struct part *part, ward_input *input, const char *path, size_t at,
                                size_t total)
{
    ward_image image = {0, 0, 0, NULL};
    ward_status st;

    st = ward_image_read(&image, path);
    if (st)
        return st;
    if (input->channels == 0) {
        input->channels = image.channels;
        input->stored_height = image.height;
        input->stored_width = image.width;
    }
    st = check_like_first(input, &image);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    else if (!part->pixels)
        st = part_new(part, input, total);
    if (!st)
        store(part->pixels + at * image.channels * image.width * image.height, &image);
    ward_image_release(&image);
    return st;
}

static ward_status read_shelves(ward_dataset *data, struct part *part, const struct shelf *shelves)
{
    size_t total = 0, at = 0;
    ward_status st = WARD_OK;

    for (size_t k = 0; k < data->info.classes; k++)
        total += shelves[k].count;
    for (size_t k = 0; k < data->info.classes; k++)
        for (size_t i = 0; !st && i < shelves[k].count; i++, at++) {
            char *path = NULL;

            st = file_join(&path, shelves[k].path, shelves[k].names[i]);
            if (!st)
                st = read_picture(part, &data->info.input, path, at, total);
            if (!st)
                part->labels[at] = (uint16_t)k;
            mem_free(path);
        }
    return st;
}

static ward_status load_part(ward_dataset *data, struct part *part, const char *root)
{
    struct shelf *shelves = NULL;
    ward_status st;

    st = take_classes(data, root);
    if (st)
        return st;
    st = mem_new(&shelves, data->info.classes, sizeof *shelves);
    for (size_t k = 0; !st && k < data->info.classes; k++)
        st = shelf_init(&shelves[k], root, data->class_names[k]);
    if (!st)
        st = read_shelves(data, part, shelves);
    shelves_free(shelves, data->info.classes);
    return st;
}

ward_status folder_load(ward_dataset *data, const char *path)
{
    static const char *const name[2] = {"train", "test"};
    ward_status st = WARD_OK;

    for (size_t i = 0; !st && i < 2; i++) {
        char *root = NULL;

        st = file_join(&root, path, name[i]);
        if (!st)
            st = load_part(data, &data->part[i], root);
        mem_free(root);
    }
    return st;
}
