/*
 * A data set for tests that train: two classes of pictures of 8 x 8, bright above or bright below,
 * with a pattern of its own each. Include after cmocka.h.
 */
#ifndef PICTURES_FIXTURE_H
#define PICTURES_FIXTURE_H

#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "ward/image.h"

enum { SIDE = 8, CLASSES = 2 };

static inline void picture_make(const char *folder, const char *part, int class, int number)
{
    char name[320];
    float x[SIDE * SIDE];
    ward_image image = {0};
    ward_status st;

    for (int i = 0; i < SIDE * SIDE; i++)
        x[i] = ((i / SIDE < SIDE / 2) == (class == 0) ? 0.7f : 0.2f) +
               0.2f * sinf((float)(i * (number + 3)));
    st = ward_image_from_float(&image, x, 1, SIDE, SIDE, 0, 1);
    snprintf(name, sizeof name, "%s/%s/class%d", folder, part, class);
    if (!st)
        st = file_make_directory(name);
    snprintf(name, sizeof name, "%s/%s/class%d/%02d.png", folder, part, class, number);
    if (!st)
        st = ward_image_write(&image, name, 0);
    if (st)
        fail_msg("%s: %s", name, ward_error_message());
    ward_image_release(&image);
}

/* So many pictures of each class; those of the test part are others. */
static inline void pictures_make(const char *folder, int train, int test)
{
    for (int class = 0; class < CLASSES; class ++) {
        for (int i = 0; i < train; i++)
            picture_make(folder, "train", class, i);
        for (int i = 0; i < test; i++)
            picture_make(folder, "test", class, train + i);
    }
}

#endif
