/* NumPy arrays: see ward/npy.h, and docs/formats.md, section 5. */
#include "ward/npy.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

enum { PREFIX_LEN = 10, ALIGNMENT = 64, CHUNK = 1024 };

struct ward_npy {
    struct file_out file;
    ward_npy_type type;
    size_t left; /* values that are still to come */
};

static ward_status count_values(const size_t *shape, size_t rank, size_t *count)
{
    size_t product = 1, len;

    if (rank < 1 || rank > WARD_NPY_MAX_RANK)
        return ward_fail(WARD_ERR_ARG, "an array of %zu dimensions, not 1 to %d", rank,
                         WARD_NPY_MAX_RANK);
    for (size_t i = 0; i < rank; i++)
        if (!mul_size(product, shape[i], &product))
            return ward_fail(WARD_ERR_ARG, "an array of an impossible size");
    if (!mul_size(product, sizeof(int64_t), &len))
        return ward_fail(WARD_ERR_ARG, "an array of an impossible size");
    *count = product;
    return WARD_OK;
}

static const char *const descriptions[] = {
    [WARD_NPY_FLOAT32] = "<f4", [WARD_NPY_INT64] = "<i8", [WARD_NPY_UINT8] = "|u1"};

/* The dictionary, without the spaces and the newline after it. */
static void write_dictionary(struct wr *wr, ward_npy_type type, const size_t *shape, size_t rank)
{
    wr_printf(wr, "{'descr': '%s', 'fortran_order': False, 'shape': (", descriptions[type]);
    for (size_t i = 0; i < rank; i++)
        wr_printf(wr, i > 0 ? ", %zu" : "%zu", shape[i]);
    wr_text(wr, rank == 1 ? ",), }" : "), }"); /* Python writes (n,) */
}

static ward_status write_header(struct file_out *file, ward_npy_type type, const size_t *shape,
                                size_t rank)
{
    static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    struct wr text = WR_INIT, header = WR_INIT;
    size_t len;
    ward_status st;

    write_dictionary(&text, type, shape, rank);
    len = (PREFIX_LEN + text.len + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - PREFIX_LEN;
    while (!text.status && text.len + 1 < len)
        wr_u8(&text, ' ');
    wr_u8(&text, '\n');
    st = wr_finish(&text);
    wr_bytes(&header, magic, sizeof magic);
    wr_u8(&header, (uint8_t)(len & 0xff));
    wr_u8(&header, (uint8_t)(len >> 8));
    wr_bytes(&header, text.data, text.len);
    if (!st)
        st = wr_finish(&header);
    if (!st)
        st = file_out_write(file, header.data, header.len);
    wr_release(&text);
    wr_release(&header);
    return st;
}

ward_status ward_npy_open(ward_npy **out, const char *path, ward_npy_type type, const size_t *shape,
                          size_t rank, int flags)
{
    int file_flags =
        (flags & WARD_NPY_SECRET ? FILE_SECRET : 0) | (flags & WARD_NPY_REPLACE ? FILE_REPLACE : 0);
    struct ward_npy *npy = NULL;
    size_t count = 0;
    ward_status st = count_values(shape, rank, &count);

    if (st)
        return st;
    st = mem_new(&npy, 1, sizeof *npy);
    if (st)
        return st;
    npy->type = type;
    npy->left = count;
    st = file_out_open(&npy->file, path, file_flags);
    if (!st)
        st = write_header(&npy->file, type, shape, rank);
    if (st)
        ward_npy_discard(npy);
    else
        *out = npy;
    return st;
}

static ward_status take(struct ward_npy *npy, ward_npy_type type, size_t count)
{
    if (npy->type != type)
        return ward_fail(WARD_ERR_ARG, "'%s' is an array of another type", npy->file.path);
    if (count > npy->left)
        return ward_fail(WARD_ERR_ARG, "%zu values too many for '%s'", count - npy->left,
                         npy->file.path);
    npy->left -= count;
    return WARD_OK;
}

ward_status ward_npy_add_floats(ward_npy *npy, const float *values, size_t count)
{
    ward_status st = take(npy, WARD_NPY_FLOAT32, count);

    return st ? st : file_out_write(&npy->file, values, count * sizeof *values);
}

ward_status ward_npy_add_labels(ward_npy *npy, const int32_t *values, size_t count)
{
    int64_t wide[CHUNK];
    ward_status st = take(npy, WARD_NPY_INT64, count);

    for (size_t done = 0; done < count && !st; done += CHUNK) {
        size_t n = min_size(CHUNK, count - done);

        for (size_t i = 0; i < n; i++)
            wide[i] = values[done + i];
        st = file_out_write(&npy->file, wide, n * sizeof *wide);
    }
    return st;
}

ward_status ward_npy_add_bytes(ward_npy *npy, const uint8_t *values, size_t count)
{
    ward_status st = take(npy, WARD_NPY_UINT8, count);

    return st ? st : file_out_write(&npy->file, values, count);
}

ward_status ward_npy_close(ward_npy *npy)
{
    ward_status st = WARD_OK;

    if (npy->left > 0)
        st = ward_fail(WARD_ERR_ARG, "%zu values are missing in '%s'", npy->left, npy->file.path);
    else
        st = file_out_commit(&npy->file);
    ward_npy_discard(npy);
    return st;
}

void ward_npy_discard(ward_npy *npy)
{
    if (!npy)
        return;
    file_out_abort(&npy->file);
    mem_free(npy);
}
