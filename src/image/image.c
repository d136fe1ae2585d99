#include "image/image.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"

ward_status image_new(ward_image *out, unsigned width, unsigned height, unsigned channels)
{
    ward_image image = {width, height, channels, NULL};
    ward_status st;

    if (channels != 1 && channels != 3)
        return ward_fail(WARD_ERR_ARG, "an image has 1 or 3 channels, not %u", channels);
    if (width == 0 || height == 0 || width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE ||
        width > IMAGE_MAX_PIXELS / height)
        return ward_fail(WARD_ERR_ARG, "an image of %ux%u pixels is empty or too large", width,
                         height);
    st = mem_new(&image.pixels, (size_t)width * height, channels);
    if (!st)
        *out = image;
    return st;
}

void ward_image_release(ward_image *image)
{
    if (!image)
        return;
    mem_free(image->pixels);
    *image = (ward_image){0, 0, 0, NULL};
}

ward_status image_decode(ward_image *out, const uint8_t *data, size_t len)
{
    static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t jpeg_magic[3] = {0xff, 0xd8, 0xff};

    if (len == 0)
        return ward_fail(WARD_ERR_FORMAT, "the file is empty");
    if (len >= sizeof png_magic && memcmp(data, png_magic, sizeof png_magic) == 0)
        return png_decode(out, data, len);
    if (len >= sizeof jpeg_magic && memcmp(data, jpeg_magic, sizeof jpeg_magic) == 0)
        return jpeg_decode(out, data, len);
    return ward_fail(WARD_ERR_FORMAT, "neither a PNG nor a JPEG file");
}

ward_status ward_image_read(ward_image *out, const char *path)
{
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st;

    st = file_read(path, IMAGE_MAX_FILE, &data, &len);
    if (st)
        return st;
    st = image_decode(out, data, len);
    if (st)
        st = ward_fail_within(st, "'%s'", path);
    mem_free(data);
    return st;
}

ward_status ward_image_write(const ward_image *image, const char *path, int flags)
{
    struct wr wr = WR_INIT;
    ward_status st;

    st = png_encode(image, &wr);
    if (!st)
        st = file_write(path, wr.data, wr.len,
                        (flags & WARD_IMAGE_SECRET ? FILE_SECRET : 0) |
                            (flags & WARD_IMAGE_REPLACE ? FILE_REPLACE : 0));
    wr_release(&wr);
    return st;
}

static uint8_t to_byte(float x, float low, float high)
{
    float v = (x - low) / (high - low);

    if (!(v > 0))
        return 0;
    return v >= 1 ? 255 : (uint8_t)(v * 255 + 0.5f);
}

ward_status ward_image_from_float(ward_image *out, const float *x, unsigned channels,
                                  unsigned height, unsigned width, float low, float high)
{
    size_t area = (size_t)width * height;
    ward_image image;
    ward_status st;

    if (!(low < high))
        return ward_fail(WARD_ERR_ARG, "black (%g) must be less than white (%g)", (double)low,
                         (double)high);
    st = image_new(&image, width, height, channels);
    if (st)
        return st;
    for (size_t i = 0; i < area; i++)
        for (unsigned c = 0; c < channels; c++)
            image.pixels[i * channels + c] = to_byte(x[c * area + i], low, high);
    *out = image;
    return WARD_OK;
}
