/*
 * The frame of the secret files: magic, secret seed, a safetensors body, SHA-256. docs/formats.md,
 * section 2. On disk it is bare, or sealed (section 10).
 */
#ifndef MODEL_FRAME_H
#define MODEL_FRAME_H

#include "key/seal.h"
#include "model/safetensors.h"
#include "protect/transform.h"

enum { FRAME_MAGIC_LEN = 8 };

struct frame {
    uint8_t seed[TRANSFORM_SEED_LEN];
    struct tensor_list tensors;
    json_t *object; /* what the metadata says; owned */
};

/* Wipes. All zero is fine. */
void frame_release(struct frame *frame);

/* Write, mode 0600, replacing what is there; seed NULL writes zeros, seal NULL a bare frame. */
WARD_CHECK ward_status frame_write(const char *path, const char magic[FRAME_MAGIC_LEN],
                                   const uint8_t seed[TRANSFORM_SEED_LEN],
                                   const struct safetensors_part *parts, size_t count,
                                   const json_t *object, const struct seal *seal);
/*
 * Read a file; kind is "transform" or "checkpoint", messages name the file. A sealed one is opened
 * with the keys (NULL: none), and must be for the model `id` (NULL: any): WARD_ERR_AUTH if not.
 */
WARD_CHECK ward_status frame_read(const char *path, const char magic[FRAME_MAGIC_LEN],
                                  const char *kind, const char *id, ward_keys *keys,
                                  struct frame *out);
/* The same from bytes; messages without a file's name. */
WARD_CHECK ward_status frame_parse(const uint8_t *data, size_t len,
                                   const char magic[FRAME_MAGIC_LEN], const char *kind,
                                   struct frame *out);

#endif
