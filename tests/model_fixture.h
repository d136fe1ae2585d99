/* A folder of its own for a test program, and models to put there. Include after cmocka.h. */
#ifndef MODEL_FIXTURE_H
#define MODEL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "model/run_dir.h"

#define assert_ok(call)                                                        \
    do {                                                                       \
        ward_status assert_ok_status = (call);                                 \
        if (assert_ok_status)                                                  \
            fail_msg("%s: %s (%s)", #call, ward_status_name(assert_ok_status), \
                     ward_error_message());                                    \
    } while (0)

/* The call fails with a status and a message that contains a text. */
#define assert_fails(call, expected, text)                                                        \
    do {                                                                                          \
        ward_status assert_fails_status = (call);                                                 \
        if (assert_fails_status != (expected) || !strstr(ward_error_message(), text))             \
            fail_msg("%s: expected %s with '%s', got %s (%s)", #call, ward_status_name(expected), \
                     text, ward_status_name(assert_fails_status), ward_error_message());          \
    } while (0)

static char folder[] = "/tmp/ward-test-XXXXXX";

static inline int folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("cannot do: %s", command);
}

static inline int folder_remove(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* A path in the folder; valid until four calls later. */
static inline const char *in_folder(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Without the care of file_write(), whose syncing takes its time. */
static inline void put_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0)
        fail_msg("cannot write '%s'", path);
}

static inline unsigned mode_of(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        fail_msg("'%s' is not there", path);
    return info.st_mode & 0777;
}

static const uint8_t test_seed[TRANSFORM_SEED_LEN] = {
    0xf3, 0x4e, 0x99, 0x12, 0xc8, 0x55, 0x6b, 0xe7, 0x91, 0x3d, 0xa4, 0xb2, 0x70, 0x0c, 0xdb, 0xee,
    0x5a, 0x27, 0x8f, 0xd1, 0x36, 0xca, 0x62, 0x9b, 0x04, 0xf8, 0x7d, 0xb9, 0xe1, 0x13, 0x5c, 0xa8};

/* 1 x 8 x 8 pixels in [0, 1], classes "left" and "right". */
static inline struct model model_of(const char *arch, ward_method method)
{
    const char *const names[] = {"left", "right"};
    struct net_spec spec = {.channels = 1, .height = 8, .width = 8, .classes = 2};
    struct model m = {.method = method};

    snprintf(spec.arch, sizeof spec.arch, "%s", arch);
    assert_ok(net_init(&m.net, &spec, 7));
    assert_ok(model_describe(&m, "arrows", 0.0f, 1.0f, names, 2));
    model_identify(&m);
    return m;
}

static inline struct transform transform_for(const struct model *m)
{
    struct transform_spec spec = {.method = m->method,
                                  .channels = m->net.spec.channels,
                                  .height = m->net.spec.height,
                                  .width = m->net.spec.width,
                                  .sigma = 0.1f,
                                  .p = 0.2f,
                                  .generator_width = 4,
                                  .start = 0.3f,
                                  .low = m->low,
                                  .high = m->high};
    struct transform t = {.params = {NULL, 0}};

    assert_ok(transform_init(&t, &spec, test_seed));
    return t;
}

static inline struct transform_owner owner_of(const struct model *m)
{
    struct transform_owner owner = {.is_reproducible = false};

    memcpy(owner.model_id, m->id, sizeof owner.model_id);
    return owner;
}

/* Whether two lists hold the same names, shapes and values in the same order. */
static inline bool lists_are_equal(const struct tensor_list *a, const struct tensor_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].name, b->items[i].name) != 0 ||
            !shape_equal(&a->items[i].shape, &b->items[i].shape) ||
            memcmp(a->items[i].data, b->items[i].data,
                   shape_count(&a->items[i].shape) * sizeof(float)) != 0)
            return false;
    return true;
}

/* Add a tensor with the values first, first + 1, ... */
static inline void add(struct tensor_list *list, const char *name, struct shape shape, float first)
{
    struct tensor *t;

    assert_ok(tensor_list_add(list, name, &shape, &t));
    for (size_t i = 0; i < shape_count(&shape); i++)
        t->data[i] = first + (float)i;
}

#endif
