/*
 * Pictures: 8-bit grey or RGB, read from PNG and JPEG, written as PNG.
 */
#ifndef WARD_IMAGE_H
#define WARD_IMAGE_H

#include <stdint.h>

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A plain value; all zero is an empty image that ward_image_release() accepts. */
typedef struct ward_image {
    unsigned width;
    unsigned height;
    unsigned channels; /* 1 grey, 3 RGB */
    uint8_t *pixels;   /* [height, width, channels], owned */
} ward_image;

enum ward_image_flags {
    WARD_IMAGE_SECRET = 1, /* mode 0600: for x_p beside x_r, and for perturbations */
    WARD_IMAGE_REPLACE = 2 /* overwrite what is there */
};

/*
 * Read a PNG or JPEG file, told apart by its contents. Palettes become RGB, 16 bits are rounded to
 * 8, an alpha channel is dropped. At most 16,384 pixels a side and 2^24 in all.
 *
 *   out   receives the image, owned: ward_image_release(); written only on success
 *   path  borrowed
 *
 * WARD_ERR_IO if the file cannot be read, WARD_ERR_FORMAT if it is damaged, cut off, too large or
 * neither PNG nor JPEG, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_image_read(ward_image *out, const char *path);

/*
 * Write a PNG file, whole or not at all.
 *
 *   image  1 or 3 channels, at least one pixel; borrowed
 *   flags  of ward_image_flags
 *
 * WARD_ERR_ARG for other images, WARD_ERR_EXISTS if path is there and WARD_IMAGE_REPLACE was not
 * given, WARD_ERR_IO, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_image_write(const ward_image *image, const char *path,
                                                 int flags);

/*
 * Make an image of numbers.
 *
 *   out        receives the image, owned: ward_image_release(); written only on success
 *   x          [channels, height, width], borrowed; channels 1 or 3
 *   low, high  what becomes 0 and 255; values outside are clamped, NaN becomes 0; low < high
 *
 * WARD_ERR_ARG for other channels, no pixels, more than ward_image_read() takes, or low >= high;
 * WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_image_from_float(ward_image *out, const float *x,
                                                      unsigned channels, unsigned height,
                                                      unsigned width, float low, float high);

/* Frees the pixels and makes the image empty; an empty one and NULL are fine. */
WARD_API void ward_image_release(ward_image *image);

#ifdef __cplusplus
}
#endif
#endif
