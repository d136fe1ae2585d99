/* What the tests of training share: trainings of a few steps on a few pictures. Include after
 * cmocka.h. */
#ifndef TRAIN_FIXTURE_H
#define TRAIN_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "pictures_fixture.h"
#include "protect/transform.h"
#include "ward/device.h"
#include "ward/train.h"

enum { TRAIN_IMAGES = 10, TEST_IMAGES = 2, STEPS = 6 };

static char dir[64];
static const uint8_t secret[TRANSFORM_SEED_LEN] = {1, 2, 3};

static inline const char *in_dir(const char *name)
{
    static char paths[16][256];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static inline void check_ok(ward_status st, const char *what)
{
    if (st)
        fail_msg("%s: %s: %s", what, ward_status_name(st), ward_error_message());
}

static inline void check_refused(ward_status st, ward_status expected, const char *text)
{
    if (st != expected || !strstr(ward_error_message(), text))
        fail_msg("expected %s with '%s', seen %s: %s", ward_status_name(expected), text,
                 ward_status_name(st), ward_error_message());
}

static inline int enter(void **state)
{
    (void)state;
    ward_set_threads(1); /* so that a child of fork() needs no thread of its parent */
    snprintf(dir, sizeof dir, "/tmp/ward-test-train-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    pictures_make(in_dir("data"), TRAIN_IMAGES, TEST_IMAGES);
    return 0;
}

static inline int leave(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* ---- running ---- */

static inline ward_train_config config_of(const char *arch, ward_method method)
{
    static char data[256];
    ward_train_config config;

    check_ok(ward_train_defaults(&config, "fast", NULL, arch, method), "defaults");
    snprintf(data, sizeof data, "%s", in_dir("data"));
    config.data = data;
    config.iterations = STEPS;
    config.batch = 4;
    config.validation = 3;
    config.validate_every = 2;
    config.secret_seed = secret;
    config.generator_width = 3;
    return config;
}

/* Stops a training when it has done `stop_at` iterations; checks what it is told. */
struct watch {
    uint64_t stop_at; /* UINT64_MAX: never */
    uint64_t last;
    unsigned calls;
    double validation; /* what it was told last */
};

static inline bool on_progress(void *context, const ward_train_progress *progress)
{
    struct watch *watch = context;

    if (watch->calls++ > 0 && progress->iteration < watch->last)
        fail_msg("iteration %lu after %lu", (unsigned long)progress->iteration,
                 (unsigned long)watch->last);
    watch->last = progress->iteration;
    watch->validation = progress->validation_processed;
    return progress->iteration < watch->stop_at;
}

static inline ward_status train(const char *out, const ward_train_config *config, bool is_resumed,
                                struct watch *watch)
{
    ward_train_options options = {
        .out = out, .is_resumed = is_resumed, .progress = on_progress, .context = watch};
    ward_device *device = NULL;
    ward_status st = ward_device_open(&device, "ref");

    if (!st)
        st = ward_train(device, config, &options);
    ward_device_close(device);
    return st;
}

static inline ward_status train_whole(const char *out, const ward_train_config *config)
{
    struct watch watch = {.stop_at = UINT64_MAX};

    return train(out, config, false, &watch);
}

static inline void check_same_file(const char *run_a, const char *run_b, const char *name)
{
    char a_path[512], b_path[512];
    uint8_t *a = NULL, *b = NULL;
    size_t a_len, b_len;

    snprintf(a_path, sizeof a_path, "%s/%s", run_a, name);
    snprintf(b_path, sizeof b_path, "%s/%s", run_b, name);
    check_ok(file_read(a_path, 1 << 28, &a, &a_len), a_path);
    check_ok(file_read(b_path, 1 << 28, &b, &b_len), b_path);
    if (a_len != b_len || memcmp(a, b, a_len) != 0)
        fail_msg("'%s' differs from '%s'", a_path, b_path);
    mem_free(a);
    mem_free(b);
}

static inline bool has_file(const char *run, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", run, name);
    return file_exists(path);
}

static inline int mode_of(const char *run, const char *name)
{
    struct stat s;
    char path[512];

    snprintf(path, sizeof path, "%s/%s", run, name);
    if (stat(path, &s) != 0)
        fail_msg("no '%s'", path);
    return (int)(s.st_mode & 0777);
}

static inline void remove_run(const char *run)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf '%s'", run);
    assert_int_equal(system(command), 0);
}
#endif
