/* Any bytes as a JPEG file; what decodes has as many pixels as it says. */
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    ward_image image = {0, 0, 0, NULL};
    volatile uint8_t last;

    if (jpeg_decode(&image, data, len))
        return 0;
    last = image.pixels[(size_t)image.width * image.height * image.channels - 1];
    (void)last;
    ward_image_release(&image);
    return 0;
}
