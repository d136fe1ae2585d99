/* IDX, the layout of MNIST: a big-endian header, then bytes; plain or in gzip. */
#ifndef DATA_IDX_H
#define DATA_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* The names of the four files, NULL past the end: training images and labels, test ones. */
const char *idx_file_name(size_t i);

/*
 * The path of an IDX file in a folder, plain if it is there, otherwise with ".gz". Owned.
 * WARD_ERR_IO if neither is there.
 */
WARD_CHECK ward_status idx_find(char **out, const char *folder, const char *name);

/*
 * Unpack untrusted bytes if they are gzip, copy them if not. *out is owned: mem_free().
 * WARD_ERR_FORMAT says the fault without a file name, WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status contents_unpack(const uint8_t *packed, size_t packed_len, uint8_t **out,
                                       size_t *len);
/* The same for a file; errors name it. */
WARD_CHECK ward_status contents_read(const char *path, uint8_t **out, size_t *len);

/* What an IDX file of images or of labels holds. */
struct idx {
    size_t count;         /* >= 1 */
    size_t height, width; /* 1 for labels */
    const uint8_t *bytes; /* [count, height, width], inside what was parsed */
};

/* Parse untrusted, unpacked bytes. WARD_ERR_FORMAT says the fault without a file name. */
WARD_CHECK ward_status idx_parse_images(struct idx *out, const uint8_t *data, size_t len);
WARD_CHECK ward_status idx_parse_labels(struct idx *out, const uint8_t *data, size_t len);

#endif
