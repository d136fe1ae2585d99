/*
 * CIFAR-10's binary layout: six files of records, each a label byte and 3x32x32 pixels; in a folder
 * or in the tar archive as published.
 */
#ifndef DATA_CIFAR_H
#define DATA_CIFAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    CIFAR_SIDE = 32,
    CIFAR_CHANNELS = 3,
    CIFAR_PIXELS = CIFAR_CHANNELS * CIFAR_SIDE * CIFAR_SIDE,
    CIFAR_RECORD = 1 + CIFAR_PIXELS,
    CIFAR_FILES = 6, /* five of training images, then the test images */
    CIFAR_CLASSES = 10
};

const char *cifar_file_name(size_t i);

/*
 * The folder or archive with the files at or in path; *out is owned, and NULL if there is none.
 */
WARD_CHECK ward_status cifar_find(char **out, const char *path);

/* Is told each file's bytes, in any order; its failure ends the walk and is passed on. */
typedef ward_status cifar_visit(void *context, size_t file, const uint8_t *bytes, size_t len);

/*
 * Visit each of the six files of a folder or archive once, all checked to be records records long.
 * In an archive only the names that the publisher's has are accepted. Errors name the file.
 */
WARD_CHECK ward_status cifar_walk(const char *path, size_t records, cifar_visit *visit,
                                  void *context);
/* The same for an archive in memory; errors name only the member. */
WARD_CHECK ward_status cifar_walk_memory(const void *archive, size_t len, size_t records,
                                         cifar_visit *visit, void *context);

/*
 * Take len / CIFAR_RECORD records apart. pixels [n, 3, 32, 32], labels [n]. WARD_ERR_FORMAT if a
 * label is out of range.
 */
WARD_CHECK ward_status cifar_parse(const uint8_t *bytes, size_t len, uint8_t *pixels,
                                   uint16_t *labels);

#endif
