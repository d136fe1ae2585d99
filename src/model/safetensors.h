/*
 * The safetensors format: named float32 arrays and a few strings in one file. It is what PyTorch
 * users read, and the body of the project's own secret files. docs/formats.md has the bytes and
 * what this reader refuses beyond the format's own rules.
 *
 * The parser takes untrusted bytes. Metadata is a JSON object of strings.
 */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "tensor/tensor.h"

enum {
    SAFETENSORS_MAX_HEADER = 1 << 22, /* bytes */
    SAFETENSORS_MAX_TENSORS = 16384,
    SAFETENSORS_MAX_FILE = 1 << 30 /* bytes; what readers of whole files pass to file_read() */
};

/* Some tensors, written under prefix + their names. */
struct safetensors_part {
    const char *prefix;             /* "" for none */
    const struct tensor_list *list; /* borrowed */
};

/*
 * The length field and the JSON header for the tensors of all parts in order, padded with spaces
 * to a multiple of 8. What follows it in a file are the tensors' values in the same order
 * (safetensors_pieces()). metadata may be NULL. WARD_ERR_ARG if a name with its prefix is too long
 * or occurs twice, or if a file of it could not be read back.
 */
WARD_CHECK ward_status safetensors_header(struct wr *out, const struct safetensors_part *parts,
                                          size_t count, const json_t *metadata);

/* How many tensors all parts have; and one piece for each, borrowed from them. */
size_t safetensors_tensor_count(const struct safetensors_part *parts, size_t count);
void safetensors_pieces(const struct safetensors_part *parts, size_t count,
                        struct file_piece *pieces);

/*
 * Parse a whole file's bytes.
 *
 *   tensors   an empty list; receives the tensors in the order of their values in the file; owned
 *   metadata  receives an object of strings (empty if the file has none); owned: json_decref()
 *
 * WARD_ERR_FORMAT with the fault (the caller adds the file's name), nothing written.
 */
WARD_CHECK ward_status safetensors_parse(struct tensor_list *tensors, json_t **metadata,
                                         const uint8_t *data, size_t len);

#endif
