/*
 * Decoding and encoding in memory: what ward/image.h does to files, and what a fuzzer feeds.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ward/image.h"

enum {
    IMAGE_MAX_SIDE = 16384,
    IMAGE_MAX_PIXELS = 1 << 24,
    IMAGE_MAX_FILE = 1 << 27 /* bytes */
};

/* A zeroed image; the limits above hold. Owned: ward_image_release(). WARD_ERR_ARG, _NOMEM. */
WARD_CHECK ward_status image_new(ward_image *out, unsigned width, unsigned height,
                                 unsigned channels);

/*
 * Decode untrusted bytes; *out (owned) is written only on success. WARD_ERR_FORMAT says the fault
 * without a file name, WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status image_decode(ward_image *out, const uint8_t *data, size_t len);
WARD_CHECK ward_status png_decode(ward_image *out, const uint8_t *data, size_t len);
WARD_CHECK ward_status jpeg_decode(ward_image *out, const uint8_t *data, size_t len);

/* Append the image as a PNG file. WARD_ERR_ARG, WARD_ERR_NOMEM. */
WARD_CHECK ward_status png_encode(const ward_image *image, struct wr *out);

#endif
