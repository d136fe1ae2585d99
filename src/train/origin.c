/* Where a training goes on from: see origin.h. */
#include "train/origin.h"

#include <assert.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "model/run_dir.h"
#include "model/safetensors.h"
#include "onnx/onnx.h"

static_assert((int)SAFETENSORS_MAX_FILE == (int)ONNX_MAX_FILE, "one limit serves both formats");

/* The length of a header, of at most four bytes, and the header's first one. */
static bool is_safetensors(const uint8_t *data, size_t len)
{
    struct rd rd;

    rd_init(&rd, data, len);
    return rd_u64le(&rd) <= SAFETENSORS_MAX_HEADER && rd_u8(&rd) == '{';
}

static ward_status parse(const uint8_t *data, size_t len, struct model *model)
{
    if (is_safetensors(data, len))
        return model_parse(data, len, model);
    return onnx_net_parse(data, len, &model->net);
}

static ward_status file_origin(const char *path, struct model *model, char *digest)
{
    uint8_t *data = NULL, sum[SHA256_LEN];
    struct sha256 sha;
    size_t len = 0;
    ward_status st = file_read(path, SAFETENSORS_MAX_FILE, &data, &len);

    if (st)
        return st;
    st = parse(data, len, model);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    sha256_init(&sha);
    sha256_update(&sha, data, len);
    sha256_finish(&sha, sum);
    if (!st)
        hex_encode(sum, sizeof sum, digest);
    mem_free(data);
    return st;
}

ward_status origin_read(const char *path, struct model *model, char digest[ORIGIN_DIGEST_LEN + 1])
{
    struct run_dir dir = {.path = NULL};
    ward_status st;

    if (!file_is_directory(path))
        return file_origin(path, model, digest);
    st = run_dir_init(&dir, path);
    if (!st)
        st = file_origin(dir.model, model, digest);
    run_dir_release(&dir);
    return st;
}
