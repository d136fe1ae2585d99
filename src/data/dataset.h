/*
 * A data set in memory, and what the readers of each layout fill in. Pixels stay bytes as they were
 * stored; they become numbers when a batch is made.
 */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ward/data.h"

enum { DATA_MAX_CLASSES = 1000 };

struct part {
    uint8_t *pixels;  /* [count, channels, stored_height, stored_width] */
    uint16_t *labels; /* [count], each below classes */
    size_t count;     /* fits 32 bits */
};

struct ward_dataset {
    ward_dataset_info info;
    char *name; /* what info borrows */
    char *path;
    char **class_names;  /* [classes] */
    struct part part[2]; /* WARD_SPLIT_TRAIN, WARD_SPLIT_TEST */
    float value[256];    /* what a byte becomes */
};

enum layout { LAYOUT_NONE, LAYOUT_IDX, LAYOUT_CIFAR, LAYOUT_FOLDER };

enum { KNOWN_MAX_FILES = 6 };

/* A published data set. */
struct known_set {
    const char *name;
    const char *url; /* folder of the files below; ends in '/' */
    enum layout layout;
    const char *archive;            /* the one file published; NULL: each of files, with ".gz" */
    const char *package;            /* Debian's package of it, or NULL */
    const char *const *class_names; /* [classes] */
    unsigned classes;
    size_t records; /* images a file: CIFAR layout only */
    struct {
        const char *name;
        const char *sha256;  /* of the unpacked contents, in hex */
    } file[KNOWN_MAX_FILES]; /* to the first NULL name */
};

/* The i-th, NULL past the end. */
const struct known_set *known_set(size_t i);
/* By the first len characters of name; NULL if there is none. */
const struct known_set *known_find(const char *name, size_t len);
/* The same of a whole name; WARD_ERR_ARG if it is unknown. */
WARD_CHECK ward_status known_named(const char *name, const struct known_set **out);
/* "a.gz, b.gz, c.gz", owned: what to put in a folder by hand. */
WARD_CHECK ward_status known_wanted(const struct known_set *set, char **out);

/* Where a user's copy of the set belongs; owned. WARD_ERR_IO if there is no home. */
WARD_CHECK ward_status user_folder(const struct known_set *set, char **out);

/* What a path seems to hold, judged by the names in it. */
WARD_CHECK ward_status layout_of(const char *path, enum layout *out);

/*
 * Split a spec, find what it names. *path is owned; *set is NULL for a path that belongs to no
 * known set.
 */
WARD_CHECK ward_status data_resolve(const char *spec, char **path, const struct known_set **set,
                                    enum layout *layout);

/* Check the i-th file of a set (or, in CIFAR layout, the archive or folder) against its pins. */
WARD_CHECK ward_status data_verify_file(const struct known_set *set, size_t i, const char *path);
/* The same for all files at a path. */
WARD_CHECK ward_status data_verify(const struct known_set *set, const char *path);

/* ward_data_fetch() for any set, from any place that curl can read. */
WARD_CHECK ward_status data_fetch(const struct known_set *set, const char *url,
                                  const char *directory, ward_data_progress *progress,
                                  void *context);

/* Read what is at path as one layout; name is what the data set is to be called. */
WARD_CHECK ward_status dataset_load(ward_dataset **out, const char *name, const char *path,
                                    enum layout layout, const struct known_set *set);

/* The readers: fill info.input, info.classes and part[]; on failure the caller frees all. */
WARD_CHECK ward_status idx_load(ward_dataset *data, const char *path, unsigned classes);
WARD_CHECK ward_status cifar_load(ward_dataset *data, const char *path, size_t records);
/* Sets class_names as well. */
WARD_CHECK ward_status folder_load(ward_dataset *data, const char *path);

/* Room for count images of info.input's stored size and channels. */
WARD_CHECK ward_status part_new(struct part *part, const ward_input *input, size_t count);

#endif
