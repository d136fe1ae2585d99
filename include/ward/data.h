/*
 * Labelled images to train and test on: MNIST, Fashion-MNIST, CIFAR-10 and folders of pictures.
 *
 * A data set is named by a spec: NAME, NAME:PATH or PATH. NAME is one of ward_data_name(); it is
 * looked for in $WARD_DATA/NAME, in the user's data folder ($XDG_DATA_HOME/ward/NAME, by default
 * ~/.local/share/ward/NAME) and in /usr/share/datasets/NAME. PATH is one of
 *
 *   a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
 *   t10k-labels-idx1-ubyte, each plain or with .gz;
 *   a folder with data_batch_1.bin .. data_batch_5.bin and test_batch.bin (CIFAR-10's binary
 *   layout), or the archive that holds them: cifar-10-binary.tar.gz, .tar.xz, or its folder;
 *   a folder with train/CLASS/ and test/CLASS/ full of PNG and JPEG files, all of one size and all
 *   grey or all RGB, 2 to 1000 classes, the same in both.
 *
 * A path that could be read as a name is written with a slash: ./mnist.
 */
#ifndef WARD_DATA_H
#define WARD_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/image.h"
#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An opened data set: all its pixels in memory. Immutable, so any number of threads may read it. */
typedef struct ward_dataset ward_dataset;

typedef enum ward_split {
    WARD_SPLIT_TRAIN,
    WARD_SPLIT_TEST,
    WARD_SPLIT_VALIDATION /* training images that a training run holds out; see ward/train.h */
} ward_split;

/* What a network is fed: images of one size with values from low (black) to high (white). */
typedef struct ward_input {
    unsigned channels;
    unsigned height;
    unsigned width;
    unsigned stored_height; /* as stored: larger than height where a crop is cut out */
    unsigned stored_width;
    float low;
    float high;
} ward_input;

typedef struct ward_dataset_info {
    const char *name; /* of ward_data_name(), or the last part of the path; borrowed */
    const char *path; /* where it was found; borrowed */
    unsigned classes;
    size_t train_count;
    size_t test_count;
    ward_input input;
    /* What training does to its images unless told otherwise; tests always take the centre. */
    bool random_crop;
    bool random_flip; /* left to right, every second image */
} ward_dataset_info;

/*
 * Find and read a data set.
 *
 *   out   receives the data set, owned: ward_dataset_free()
 *   spec  see above; borrowed
 *
 * WARD_ERR_ARG for an unknown name, WARD_ERR_IO if it is not on this machine (the text says which
 * files to put where) or cannot be read, WARD_ERR_FORMAT if a file is damaged (the text names
 * file and fault), WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_dataset_open(ward_dataset **out, const char *spec);

/* NULL is fine. */
WARD_API void ward_dataset_free(ward_dataset *data);

/* Valid as long as the data set. */
WARD_API const ward_dataset_info *ward_dataset_get_info(const ward_dataset *data);
/* The name of class k ("trouser", "7"); NULL if there is no such class. Borrowed. */
WARD_API const char *ward_dataset_class_name(const ward_dataset *data, unsigned k);

/*
 * Read images in the order of the files, as a network is fed them in testing (centre crop).
 *
 *   split  WARD_SPLIT_TRAIN (all training images) or WARD_SPLIT_TEST
 *   x      [count, channels, height, width] in [low, high]; NULL if not wanted
 *   y      [count] classes from 0; NULL if not wanted
 *
 * WARD_ERR_ARG if first + count goes past the end or the split is neither.
 */
WARD_API WARD_CHECK ward_status ward_dataset_read(const ward_dataset *data, ward_split split,
                                                  size_t first, size_t count, float *x, int32_t *y);

/*
 * Turn a picture into what a network is fed.
 *
 *   input  borrowed
 *   image  of the input's channels and either its size or its stored size (then the centre is cut
 *          out); borrowed
 *   x      [channels, height, width]
 *
 * WARD_ERR_ARG if the picture's size or channels do not fit; x is then untouched.
 */
WARD_API WARD_CHECK ward_status ward_input_prepare(const ward_input *input, const ward_image *image,
                                                   float *x);

/* The i-th known name, NULL past the end. */
WARD_API const char *ward_data_name(size_t i);

/*
 * Where a known data set is on this machine.
 *
 *   path  receives the file or folder, NUL-terminated
 *
 * WARD_ERR_ARG for an unknown name or a path longer than len, WARD_ERR_IO if it is not here (the
 * text says which files to put where), WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_data_find(const char *name, char *path, size_t len);

/*
 * Check that a known data set is the published one, by the SHA-256 of its files' (unpacked)
 * contents.
 *
 *   spec  NAME or NAME:PATH; borrowed
 *
 * WARD_ERR_FORMAT names the first file that differs; otherwise as ward_data_find().
 */
WARD_API WARD_CHECK ward_status ward_data_verify(const char *spec);

/*
 * Told now and then while a file is fetched. total is 0 while unknown. Return non-zero to stop.
 */
typedef int ward_data_progress(void *context, const char *file, uint64_t done, uint64_t total);

/*
 * Fetch a known data set from its publisher, check it against its pinned SHA-256 and put it in
 * place; files already there and right are kept.
 *
 *   directory  NULL for the user's data folder; made if need be
 *   progress   NULL if not wanted; called from this thread
 *
 * WARD_ERR_ARG for an unknown name, WARD_ERR_IO if a file cannot be fetched or written (the text
 * says which file to put where by hand), WARD_ERR_FORMAT if what came is not the published file,
 * WARD_ERR_EXISTS if another file has its name, WARD_ERR_STOPPED, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_data_fetch(const char *name, const char *directory,
                                                ward_data_progress *progress, void *context);

#ifdef __cplusplus
}
#endif
#endif
