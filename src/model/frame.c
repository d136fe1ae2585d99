/* The frame of the secret files: see frame.h. */
#include "model/frame.h"

#include "base/mem.h"
#include "base/sha256.h"

static const char object_key[] = "ward";

void frame_release(struct frame *frame)
{
    mem_wipe(frame->seed, sizeof frame->seed);
    tensor_list_release(&frame->tensors);
    json_decref(frame->object);
    frame->object = NULL;
}

/* {"ward": "TEXT"} */
static ward_status metadata_new(const json_t *object, json_t **out)
{
    char *text = NULL;
    json_t *metadata = NULL;
    ward_status st = json_to_text(object, 0, &text);

    if (st)
        return st;
    metadata = json_object();
    st = json_set(metadata, object_key, json_string(text));
    mem_free(text);
    if (st)
        json_decref(metadata);
    else
        *out = metadata;
    return st;
}

static void pieces_sum(const struct file_piece *pieces, size_t count, uint8_t sum[SHA256_LEN])
{
    struct sha256 sha;

    sha256_init(&sha);
    for (size_t i = 0; i < count; i++)
        sha256_update(&sha, pieces[i].data, pieces[i].len);
    sha256_finish(&sha, sum);
    mem_wipe(&sha, sizeof sha);
}

/* Gathered and wiped: sealing is for files that fit into memory twice. */
static ward_status write_sealed(const char *path, const struct file_piece *pieces, size_t count,
                                const struct seal *seal)
{
    struct wr plain = WR_INIT, sealed = WR_INIT;
    ward_status st;

    for (size_t i = 0; i < count; i++)
        wr_bytes(&plain, pieces[i].data, pieces[i].len);
    st = wr_finish(&plain);
    if (!st)
        st = seal_bytes(seal, plain.data, plain.len, &sealed);
    if (!st)
        st = file_write(path, sealed.data, sealed.len, FILE_SECRET | FILE_REPLACE);
    wr_release(&sealed);
    wr_release(&plain);
    return st;
}

ward_status frame_write(const char *path, const char magic[FRAME_MAGIC_LEN],
                        const uint8_t seed[TRANSFORM_SEED_LEN],
                        const struct safetensors_part *parts, size_t count, const json_t *object,
                        const struct seal *seal)
{
    static const uint8_t no_seed[TRANSFORM_SEED_LEN];
    size_t n = safetensors_tensor_count(parts, count) + 4;
    struct file_piece *pieces = NULL;
    struct wr header = WR_INIT;
    json_t *metadata = NULL;
    uint8_t sum[SHA256_LEN];
    ward_status st = metadata_new(object, &metadata);

    if (!st)
        st = safetensors_header(&header, parts, count, metadata);
    if (!st)
        st = mem_new(&pieces, n, sizeof *pieces);
    if (st)
        goto done;
    pieces[0] = (struct file_piece){magic, FRAME_MAGIC_LEN};
    pieces[1] = (struct file_piece){seed ? seed : no_seed, TRANSFORM_SEED_LEN};
    pieces[2] = (struct file_piece){header.data, header.len};
    safetensors_pieces(parts, count, pieces + 3);
    pieces_sum(pieces, n - 1, sum);
    pieces[n - 1] = (struct file_piece){sum, sizeof sum};
    st = seal ? write_sealed(path, pieces, n, seal)
              : file_writev(path, pieces, n, FILE_SECRET | FILE_REPLACE);
done:
    mem_free(pieces);
    wr_release(&header);
    json_decref(metadata);
    return st;
}

/* The byte before the last of a magic is the version; all versions share the rest. */
static ward_status magic_check(const uint8_t *found, const char magic[FRAME_MAGIC_LEN],
                               const char *kind)
{
    if (memcmp(found, magic, FRAME_MAGIC_LEN) == 0)
        return WARD_OK;
    if (memcmp(found, magic, FRAME_MAGIC_LEN - 2) == 0)
        return ward_fail(WARD_ERR_FORMAT, "a %s of version %u, which this build cannot read", kind,
                         found[FRAME_MAGIC_LEN - 2]);
    return ward_fail(WARD_ERR_FORMAT, "not a %s file", kind);
}

static ward_status object_parse(const json_t *metadata, json_t **out)
{
    const char *text;
    ward_status st = json_get_string(metadata, object_key, &text);

    return st ? st : json_parse_object(out, text, strlen(text));
}

ward_status frame_parse(const uint8_t *data, size_t len, const char magic[FRAME_MAGIC_LEN],
                        const char *kind, struct frame *out)
{
    const size_t before = FRAME_MAGIC_LEN + TRANSFORM_SEED_LEN;
    const struct file_piece body = {data, len < SHA256_LEN ? 0 : len - SHA256_LEN};
    struct frame frame = {{0}, {0}, NULL};
    json_t *metadata = NULL;
    uint8_t sum[SHA256_LEN];
    ward_status st;

    if (len < before + SHA256_LEN)
        return ward_fail(WARD_ERR_FORMAT, "not a %s file: only %zu bytes", kind, len);
    st = magic_check(data, magic, kind);
    if (st)
        return st;
    pieces_sum(&body, 1, sum);
    if (memcmp(sum, data + body.len, SHA256_LEN) != 0)
        return ward_fail(WARD_ERR_FORMAT, "damaged or cut short: its check sum is wrong");
    memcpy(frame.seed, data + FRAME_MAGIC_LEN, TRANSFORM_SEED_LEN);
    st = safetensors_parse(&frame.tensors, &metadata, data + before, body.len - before);
    if (!st)
        st = object_parse(metadata, &frame.object);
    json_decref(metadata);
    if (st)
        frame_release(&frame);
    else
        *out = frame;
    mem_wipe(frame.seed, sizeof frame.seed);
    return st;
}

static ward_status parse_sealed(const uint8_t *data, size_t len, const char magic[FRAME_MAGIC_LEN],
                                const char *kind, const char *id, ward_keys *keys,
                                struct frame *out)
{
    uint8_t *plain = NULL;
    size_t plain_len = 0;
    ward_status st = seal_open(data, len, kind, id, keys, &plain, &plain_len);

    if (st)
        return st;
    st = frame_parse(plain, plain_len, magic, kind, out);
    mem_wipe(plain, plain_len);
    mem_free(plain);
    return st;
}

ward_status frame_read(const char *path, const char magic[FRAME_MAGIC_LEN], const char *kind,
                       const char *id, ward_keys *keys, struct frame *out)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_read(path, SAFETENSORS_MAX_FILE, &data, &len);

    if (st)
        return st;
    if (is_sealed(data, len))
        st = parse_sealed(data, len, magic, kind, id, keys, out);
    else
        st = frame_parse(data, len, magic, kind, out);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_wipe(data, len);
    mem_free(data);
    return st;
}
