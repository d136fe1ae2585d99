#include "data/cifar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#include "base/file.h"
#include "base/mem.h"
#include "data/dataset.h"

static const char *const file_name[CIFAR_FILES] = {"data_batch_1.bin", "data_batch_2.bin",
                                                   "data_batch_3.bin", "data_batch_4.bin",
                                                   "data_batch_5.bin", "test_batch.bin"};
/* Also published, and of no use here. */
static const char *const other_name[] = {"batches.meta.txt", "readme.html"};
static const char folder_name[] = "cifar-10-batches-bin";
static const char *const archive_name[] = {"cifar-10-binary.tar.gz", "cifar-10-binary.tar.xz"};

const char *cifar_file_name(size_t i)
{
    return i < CIFAR_FILES ? file_name[i] : NULL;
}

/* *found becomes "folder/name" (owned) if that is there and *found is still NULL. */
static ward_status look_for(char **found, const char *folder, const char *name)
{
    char *path = NULL;
    ward_status st;

    if (*found)
        return WARD_OK;
    st = file_join(&path, folder, name);
    if (!st && file_exists(path)) {
        *found = path;
        path = NULL;
    }
    mem_free(path);
    return st;
}

ward_status cifar_find(char **out, const char *path)
{
    char *any = NULL, *found = NULL;
    ward_status st = WARD_OK;

    if (file_is_directory(path)) {
        for (size_t i = 0; !st && i < CIFAR_FILES; i++)
            st = look_for(&any, path, file_name[i]);
        if (!st && !any)
            st = look_for(&found, path, folder_name);
        for (size_t i = 0; !st && !any && i < sizeof archive_name / sizeof *archive_name; i++)
            st = look_for(&found, path, archive_name[i]);
    }
    if (!st && (any || (file_exists(path) && !file_is_directory(path))))
        st = mem_strdup(&found, path);
    mem_free(any);
    if (st)
        mem_free(found);
    else
        *out = found;
    return st;
}

static ward_status check_len(size_t len, size_t records)
{
    size_t need = records * CIFAR_RECORD;

    if (len == 0)
        return ward_fail(WARD_ERR_FORMAT, "the file is empty");
    if (len != need)
        return ward_fail(WARD_ERR_FORMAT, "%s: %zu images need %zu bytes, it has %zu",
                         len < need ? "truncated" : "oversized", records, need, len);
    return WARD_OK;
}

static ward_status walk_folder(const char *path, size_t records, cifar_visit *visit, void *context)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; !st && i < CIFAR_FILES; i++) {
        uint8_t *bytes = NULL;
        char *file = NULL;
        size_t len = 0;

        st = file_join(&file, path, file_name[i]);
        if (!st)
            st = file_read(file, records * CIFAR_RECORD, &bytes, &len);
        if (!st) {
            st = check_len(len, records);
            if (!st)
                st = visit(context, i, bytes, len);
            if (st)
                st = ward_fail_within(st, "'%s'", file);
        }
        mem_free(bytes);
        mem_free(file);
    }
    return st;
}

/* The number of a data file; CIFAR_FILES for what may be passed over; -1 for a foreign entry. */
static int member_number(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    size_t prefix = sizeof folder_name - 1;

    if (!name || archive_entry_hardlink(entry) || archive_entry_symlink(entry))
        return -1;
    if (strncmp(name, "./", 2) == 0)
        name += 2;
    if (strncmp(name, folder_name, prefix) == 0 && (name[prefix] == '/' || name[prefix] == '\0'))
        name += prefix + (name[prefix] == '/');
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return *name == '\0' ? CIFAR_FILES : -1;
    if (archive_entry_filetype(entry) != AE_IFREG)
        return -1;
    for (int i = 0; i < CIFAR_FILES; i++)
        if (strcmp(name, file_name[i]) == 0)
            return i;
    for (size_t i = 0; i < sizeof other_name / sizeof *other_name; i++)
        if (strcmp(name, other_name[i]) == 0)
            return CIFAR_FILES;
    return -1;
}

static ward_status archive_fault(struct archive *tar)
{
    const char *text = archive_error_string(tar);

    return ward_fail(archive_errno(tar) == ENOMEM ? WARD_ERR_NOMEM : WARD_ERR_FORMAT,
                     "damaged or no tar archive: %s", text ? text : "unknown fault");
}

/* Fill buffer with the whole member, whose size was checked. */
static ward_status read_member(struct archive *tar, uint8_t *buffer, size_t len)
{
    size_t got = 0;

    while (got < len) {
        la_ssize_t n = archive_read_data(tar, buffer + got, len - got);

        if (n < 0)
            return archive_fault(tar);
        if (n == 0)
            return ward_fail(WARD_ERR_FORMAT, "truncated");
        got += (size_t)n;
    }
    return WARD_OK;
}

static ward_status visit_member(struct archive *tar, struct archive_entry *entry, int number,
                                uint8_t *buffer, size_t records, cifar_visit *visit, void *context)
{
    int64_t size = archive_entry_size(entry);
    ward_status st;

    st = check_len(size < 0 ? 0 : (size_t)size, records);
    if (!st)
        st = read_member(tar, buffer, (size_t)size);
    if (!st)
        st = visit(context, (size_t)number, buffer, (size_t)size);
    return st ? ward_fail_within(st, "%s", file_name[number]) : WARD_OK;
}

static ward_status walk_archive(struct archive *tar, size_t records, cifar_visit *visit,
                                void *context)
{
    bool seen[CIFAR_FILES] = {false};
    struct archive_entry *entry;
    uint8_t *buffer = NULL;
    ward_status st;
    int end;

    st = mem_new(&buffer, records, CIFAR_RECORD);
    if (st)
        return st;
    while (!st && (end = archive_read_next_header(tar, &entry)) == ARCHIVE_OK) {
        int number = member_number(entry);
        const char *name = archive_entry_pathname(entry);

        if (number < 0 || (number < CIFAR_FILES && seen[number]))
            st = ward_fail(WARD_ERR_FORMAT, "%s entry '%.60s' in the archive",
                           number < 0 ? "unexpected" : "second", name ? name : "");
        else if (number < CIFAR_FILES) {
            seen[number] = true;
            st = visit_member(tar, entry, number, buffer, records, visit, context);
        }
    }
    if (!st && end != ARCHIVE_EOF)
        st = archive_fault(tar);
    for (size_t i = 0; !st && i < CIFAR_FILES; i++)
        if (!seen[i])
            st = ward_fail(WARD_ERR_FORMAT, "%s is not in the archive", file_name[i]);
    mem_free(buffer);
    return st;
}

static ward_status archive_new(struct archive **out)
{
    struct archive *tar = archive_read_new();

    if (!tar)
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    archive_read_support_filter_gzip(tar);
    archive_read_support_filter_xz(tar);
    archive_read_support_format_tar(tar);
    *out = tar;
    return WARD_OK;
}

ward_status cifar_walk_memory(const void *archive, size_t len, size_t records, cifar_visit *visit,
                              void *context)
{
    struct archive *tar = NULL;
    ward_status st;

    st = archive_new(&tar);
    if (st)
        return st;
    if (archive_read_open_memory(tar, archive, len) != ARCHIVE_OK)
        st = archive_fault(tar);
    else
        st = walk_archive(tar, records, visit, context);
    archive_read_free(tar);
    return st;
}

ward_status cifar_walk(const char *path, size_t records, cifar_visit *visit, void *context)
{
    struct archive *tar = NULL;
    ward_status st;

    if (file_is_directory(path))
        return walk_folder(path, records, visit, context);
    st = archive_new(&tar);
    if (st)
        return st;
    if (archive_read_open_filename(tar, path, 1 << 18) != ARCHIVE_OK)
        st = archive_fault(tar);
    else
        st = walk_archive(tar, records, visit, context);
    archive_read_free(tar);
    return st ? ward_fail_within(st, "'%s'", path) : WARD_OK;
}

ward_status cifar_parse(const uint8_t *bytes, size_t len, uint8_t *pixels, uint16_t *labels)
{
    for (size_t i = 0; i < len / CIFAR_RECORD; i++) {
        const uint8_t *record = bytes + i * CIFAR_RECORD;

        if (record[0] >= CIFAR_CLASSES)
            return ward_fail(WARD_ERR_FORMAT,
                             "label %u of image %zu is out of range: there are "
                             "%d classes",
                             record[0], i, CIFAR_CLASSES);
        labels[i] = record[0];
        memcpy(pixels + i * CIFAR_PIXELS, record + 1, CIFAR_PIXELS);
    }
    return WARD_OK;
}

static ward_status store(void *context, size_t file, const uint8_t *bytes, size_t len)
{
    ward_dataset *data = context;
    bool is_test = file == CIFAR_FILES - 1;
    struct part *part = &data->part[is_test];
    size_t first = is_test ? 0 : file * (len / CIFAR_RECORD);

    return cifar_parse(bytes, len, part->pixels + first * CIFAR_PIXELS, part->labels + first);
}

ward_status cifar_load(ward_dataset *data, const char *path, size_t records)
{
    ward_input *input = &data->info.input;
    char *source = NULL;
    ward_status st;

    input->channels = CIFAR_CHANNELS;
    input->stored_height = input->stored_width = CIFAR_SIDE;
    data->info.classes = CIFAR_CLASSES;
    st = cifar_find(&source, path);
    if (!st && !source)
        st = ward_fail(WARD_ERR_IO, "'%s' has neither %s nor %s", path, file_name[0],
                       archive_name[0]);
    if (!st)
        st = part_new(&data->part[WARD_SPLIT_TRAIN], input, (CIFAR_FILES - 1) * records);
    if (!st)
        st = part_new(&data->part[WARD_SPLIT_TEST], input, records);
    if (!st)
        st = cifar_walk(source, records, store, data);
    mem_free(source);
    return st;
}
