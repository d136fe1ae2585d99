/* Any bytes as a PNG file; what decodes must survive being written and read again. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Larger pictures take so long to encode that nothing else would be tried. */
enum { MAX_AREA = 1 << 16 };

static void round_trip(const ward_image *image)
{
    ward_image again = {0, 0, 0, NULL};
    struct wr wr = WR_INIT;

    if (png_encode(image, &wr) || png_decode(&again, wr.data, wr.len))
        abort();
    if (again.width != image->width || again.height != image->height ||
        again.channels != image->channels ||
        memcmp(again.pixels, image->pixels,
               (size_t)image->width * image->height * image->channels) != 0)
        abort();
    ward_image_release(&again);
    wr_release(&wr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    ward_image image = {0, 0, 0, NULL};

    if (png_decode(&image, data, len))
        return 0;
    if (image.width <= MAX_AREA / image.height)
        round_trip(&image);
    ward_image_release(&image);
    return 0;
}
