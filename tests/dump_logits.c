/*
 * dump_logits RUN DATA COUNT DIR: what a run computes, for comparing other software with it. Of the
 * first COUNT test images of a data set, DIR receives as bare float32 values
 *
 *   images.f32     x
 *   processed.f32  G(x), if there is a G
 *   raw.f32        F(x), logits
 *   logits.f32     F(G(x)), logits; without a G F(x)
 *   labels.f32     the true classes
 *
 * and on standard output their shape: "COUNT CHANNELS HEIGHT WIDTH CLASSES HAS_G".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "compute/device.h"
#include "model/run.h"

enum { BATCH = 50 };

struct dump {
    ward_run *run;
    ward_device *device;
    ward_dataset *data;
    ward_session *session;
    size_t count, image;
    float *x, *y;
    int32_t *labels;
};

static ward_status put(const char *dir, const char *name, const float *values, size_t count)
{
    char *path = NULL;
    ward_status st = file_join(&path, dir, name);

    if (!st)
        st = file_write(path, values, count * sizeof *values, FILE_SECRET | FILE_REPLACE);
    mem_free(path);
    return st;
}

static ward_status write_pass(struct dump *d, const char *dir, const char *name, enum pass pass)
{
    ward_status st = session_run(d->session, pass, d->count, d->x, d->y);

    return st ? st : put(dir, name, d->y, d->count * session_result_len(d->session, pass));
}

static ward_status dump_open(struct dump *d, const char *run, const char *data, size_t count)
{
    ward_keys *keys = NULL;
    ward_status st = ward_keys_new(&keys, &(ward_keys_options){.identity = NULL});

    if (!st)
        st = ward_run_open_with(&d->run, run, keys);
    ward_keys_free(keys);
    if (!st)
        st = ward_device_open(&d->device, "cpu");
    if (!st)
        st = ward_dataset_open(&d->data, data);
    if (st)
        return st;
    d->image = d->run->model.net.spec.channels * d->run->model.net.spec.height *
               d->run->model.net.spec.width;
    d->count = count < ward_dataset_get_info(d->data)->test_count
                   ? count
                   : ward_dataset_get_info(d->data)->test_count;
    st = mem_new(&d->x, d->count * d->image, sizeof *d->x);
    if (!st)
        st = mem_new(&d->y, d->count * (d->image + d->run->model.net.spec.classes), sizeof *d->y);
    if (!st)
        st = mem_new(&d->labels, d->count, sizeof *d->labels);
    if (!st)
        st = ward_dataset_read(d->data, WARD_SPLIT_TEST, 0, d->count, d->x, d->labels);
    return st ? st : ward_session_new(&d->session, d->run, d->device, BATCH);
}

static ward_status dump(struct dump *d, const char *dir)
{
    bool has_g = d->run->has_transform;
    ward_status st = put(dir, "images.f32", d->x, d->count * d->image);

    for (size_t i = 0; i < d->count; i++)
        d->y[i] = (float)d->labels[i];
    if (!st)
        st = put(dir, "labels.f32", d->y, d->count);
    if (!st && has_g)
        st = write_pass(d, dir, "processed.f32", PASS_TRANSFORM);
    if (!st)
        st = write_pass(d, dir, "raw.f32", PASS_RAW);
    return st ? st : write_pass(d, dir, "logits.f32", has_g ? PASS_AUTHORISED : PASS_RAW);
}

static void dump_close(struct dump *d)
{
    ward_session_free(d->session);
    ward_dataset_free(d->data);
    ward_device_close(d->device);
    ward_run_close(d->run);
    mem_free(d->labels);
    mem_free(d->x);
    mem_free(d->y);
}

int main(int argc, char **argv)
{
    struct dump d = {.run = NULL};
    const struct net_spec *spec;
    ward_status st;

    if (argc != 5) {
        fputs("usage: dump_logits RUN DATA COUNT DIR\n", stderr);
        return 2;
    }
    st = dump_open(&d, argv[1], argv[2], strtoul(argv[3], NULL, 10));
    if (!st)
        st = dump(&d, argv[4]);
    if (st) {
        fprintf(stderr, "dump_logits: %s\n", ward_error_message());
    } else {
        spec = &d.run->model.net.spec;
        printf("%zu %zu %zu %zu %zu %d\n", d.count, spec->channels, spec->height, spec->width,
               spec->classes, d.run->has_transform);
    }
    dump_close(&d);
    return st != WARD_OK;
}
