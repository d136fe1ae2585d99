#include "data/idx.h"

#define ZLIB_CONST
#include <zlib.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "data/dataset.h"

enum {
    MAX_PACKED = 1 << 28,
    MAX_UNPACKED = 1 << 30,
    MAX_SIDE = 4096,
    MAGIC_LABELS = 0x00000801, /* unsigned bytes, one dimension */
    MAGIC_IMAGES = 0x00000803  /* three */
};

static const char *const file_name[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

const char *idx_file_name(size_t i)
{
    return i < 4 ? file_name[i] : NULL;
}

ward_status idx_find(char **out, const char *folder, const char *name)
{
    char *path = NULL;
    ward_status st;

    st = mem_printf(&path, "%s/%s", folder, name);
    if (!st && !file_exists(path)) {
        mem_free(path);
        path = NULL;
        st = mem_printf(&path, "%s/%s.gz", folder, name);
    }
    if (!st && !file_exists(path))
        st = ward_fail(WARD_ERR_IO, "'%s' has neither %s nor %s.gz", folder, name, name);
    if (st) {
        mem_free(path);
        return st;
    }
    *out = path;
    return WARD_OK;
}

static voidpf zip_alloc(voidpf opaque, uInt count, uInt elem)
{
    void *block = NULL;

    (void)opaque;
    return mem_new(&block, count, elem) ? Z_NULL : block;
}

static void zip_free(voidpf opaque, voidpf block)
{
    (void)opaque;
    mem_free(block);
}

/* A buffer that doubles until all is unpacked. */
static ward_status inflate_all(z_stream *zip, uint8_t **buffer, size_t *len)
{
    size_t cap = 0;
    int end = Z_OK;

    *len = 0;
    while (end == Z_OK) {
        if (*len == cap) {
            size_t more = cap ? min_size(2 * cap, MAX_UNPACKED) : 1 << 16;
            ward_status st;

            if (cap == MAX_UNPACKED)
                return ward_fail(WARD_ERR_FORMAT, "unpacks to more than %d bytes", MAX_UNPACKED);
            st = mem_resize(buffer, cap, more, 1);
            if (st)
                return st;
            cap = more;
        }
        zip->next_out = *buffer + *len;
        zip->avail_out = (uInt)(cap - *len);
        end = inflate(zip, Z_NO_FLUSH);
        *len = cap - zip->avail_out;
    }
    if (end == Z_MEM_ERROR)
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    if (end == Z_BUF_ERROR)
        return ward_fail(WARD_ERR_FORMAT, "truncated: the gzip stream is cut off");
    if (end != Z_STREAM_END)
        return ward_fail(WARD_ERR_FORMAT, "damaged gzip stream: %s",
                         zip->msg ? zip->msg : "unknown fault");
    if (zip->avail_in > 0)
        return ward_fail(WARD_ERR_FORMAT, "oversized: %u stray bytes after the gzip stream",
                         zip->avail_in);
    return WARD_OK;
}

static ward_status gunzip(const uint8_t *packed, size_t packed_len, uint8_t **out, size_t *len)
{
    z_stream zip = {.zalloc = zip_alloc, .zfree = zip_free};
    uint8_t *buffer = NULL;
    ward_status st;

    if (packed_len > MAX_PACKED)
        return ward_fail(WARD_ERR_FORMAT, "oversized: more than %d bytes", MAX_PACKED);
    zip.next_in = packed;
    zip.avail_in = (uInt)packed_len;
    if (inflateInit2(&zip, 16 + MAX_WBITS) != Z_OK)
        return ward_fail(WARD_ERR_NOMEM, "out of memory");
    st = inflate_all(&zip, &buffer, len);
    inflateEnd(&zip);
    if (st) {
        mem_free(buffer);
        return st;
    }
    *out = buffer;
    return WARD_OK;
}

static bool is_gzip(const uint8_t *data, size_t len)
{
    return len >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

ward_status contents_unpack(const uint8_t *packed, size_t packed_len, uint8_t **out, size_t *len)
{
    uint8_t *copy = NULL;
    ward_status st;

    if (is_gzip(packed, packed_len))
        return gunzip(packed, packed_len, out, len);
    st = mem_new(&copy, packed_len, 1);
    if (st)
        return st;
    memcpy(copy, packed, packed_len);
    *out = copy;
    *len = packed_len;
    return WARD_OK;
}

ward_status contents_read(const char *path, uint8_t **out, size_t *len)
{
    uint8_t *raw = NULL;
    size_t raw_len = 0;
    ward_status st;

    st = file_read(path, MAX_UNPACKED, &raw, &raw_len);
    if (st)
        return st;
    if (!is_gzip(raw, raw_len)) {
        *out = raw;
        *len = raw_len;
        return WARD_OK;
    }
    st = gunzip(raw, raw_len, out, len);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(raw);
    return st;
}

/* The payload after a header that promised count items of height x width bytes. */
static ward_status take_payload(struct idx *out, struct rd *rd, const char *what)
{
    size_t left = rd_left(rd);
    size_t item, need;

    if (out->count == 0)
        return ward_fail(WARD_ERR_FORMAT, "holds no %s", what);
    if (out->height == 0 || out->width == 0 || out->height > MAX_SIDE || out->width > MAX_SIDE)
        return ward_fail(WARD_ERR_FORMAT, "impossible image size %zux%zu", out->width, out->height);
    if (!mul_size(out->height, out->width, &item) || !mul_size(item, out->count, &need))
        return ward_fail(WARD_ERR_FORMAT, "impossible number of %s: %zu", what, out->count);
    if (left != need)
        return ward_fail(WARD_ERR_FORMAT, "%s: %zu %s need %zu bytes, %zu follow the header",
                         left < need ? "truncated" : "oversized", out->count, what, need, left);
    out->bytes = rd_bytes(rd, need);
    return WARD_OK;
}

static ward_status parse(struct idx *out, const uint8_t *data, size_t len, uint32_t magic)
{
    const char *what = magic == MAGIC_IMAGES ? "images" : "labels";
    struct idx idx = {0, 1, 1, NULL};
    struct rd rd;
    uint32_t found;
    ward_status st;

    if (len == 0)
        return ward_fail(WARD_ERR_FORMAT, "the file is empty");
    rd_init(&rd, data, len);
    found = rd_u32be(&rd);
    if (!rd.failed && found != magic)
        return ward_fail(WARD_ERR_FORMAT, "not an IDX file of %s: starts with %08x, not %08x", what,
                         (unsigned)found, (unsigned)magic);
    idx.count = rd_u32be(&rd);
    if (magic == MAGIC_IMAGES) {
        idx.height = rd_u32be(&rd);
        idx.width = rd_u32be(&rd);
    }
    if (rd.failed)
        return ward_fail(WARD_ERR_FORMAT, "truncated: %zu bytes are no IDX header", len);
    st = take_payload(&idx, &rd, what);
    if (!st)
        *out = idx;
    return st;
}

ward_status idx_parse_images(struct idx *out, const uint8_t *data, size_t len)
{
    return parse(out, data, len, MAGIC_IMAGES);
}

ward_status idx_parse_labels(struct idx *out, const uint8_t *data, size_t len)
{
    return parse(out, data, len, MAGIC_LABELS);
}

/* Read the images into part->pixels, which takes over the file's own buffer. */
static ward_status load_images(struct part *part, ward_input *input, const char *path,
                               bool is_first)
{
    uint8_t *data = NULL;
    struct idx idx;
    size_t len = 0;
    ward_status st;

    st = contents_read(path, &data, &len);
    if (st)
        return st;
    st = idx_parse_images(&idx, data, len);
    if (!st && !is_first &&
        (idx.height != input->stored_height || idx.width != input->stored_width))
        st = ward_fail(WARD_ERR_FORMAT,
                       "images of %zux%zu pixels, but the training images have "
                       "%ux%u",
                       idx.width, idx.height, input->stored_width, input->stored_height);
    if (st) {
        mem_free(data);
        return ward_fail_within(st, "'%s'", path);
    }
    input->channels = 1;
    input->stored_height = (unsigned)idx.height;
    input->stored_width = (unsigned)idx.width;
    memmove(data, idx.bytes, idx.count * idx.height * idx.width);
    part->pixels = data;
    part->count = idx.count;
    return WARD_OK;
}

/* Labels for the images already in part; classes receives the largest label + 1 if it is 0. */
static ward_status load_labels(struct part *part, const char *path, unsigned *classes)
{
    unsigned limit = *classes ? *classes : 256, highest = 0;
    uint8_t *data = NULL;
    struct idx idx;
    size_t len = 0;
    ward_status st;

    st = contents_read(path, &data, &len);
    if (st)
        return st;
    st = idx_parse_labels(&idx, data, len);
    if (!st && idx.count != part->count)
        st = ward_fail(WARD_ERR_FORMAT, "%zu labels for %zu images", idx.count, part->count);
    if (!st)
        st = mem_new(&part->labels, part->count, sizeof *part->labels);
    for (size_t i = 0; !st && i < part->count; i++) {
        part->labels[i] = idx.bytes[i];
        if (idx.bytes[i] >= limit)
            st = ward_fail(WARD_ERR_FORMAT,
                           "label %u of image %zu is out of range: there are %u "
                           "classes",
                           idx.bytes[i], i, limit);
        if (idx.bytes[i] > highest)
            highest = idx.bytes[i];
    }
    if (!st)
        *classes = *classes ? *classes : highest + 1;
    else
        st = ward_fail_within(st, "'%s'", path);
    mem_free(data);
    return st;
}

ward_status idx_load(ward_dataset *data, const char *path, unsigned classes)
{
    ward_status st = WARD_OK;

    for (size_t i = 0; !st && i < 4; i++) {
        struct part *part = &data->part[i / 2];
        char *file = NULL;

        st = idx_find(&file, path, file_name[i]);
        if (!st && i % 2 == 0)
            st = load_images(part, &data->info.input, file, i == 0);
        else if (!st)
            st = load_labels(part, file, &classes);
        mem_free(file);
    }
    data->info.classes = classes;
    if (!st && classes < 2)
        st = ward_fail(WARD_ERR_FORMAT, "'%s': all labels are the same", path);
    return st;
}
