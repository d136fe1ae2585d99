/*
 * A network made by hand so that what an attack reaches is known beforehand: it says "bright" if
 * the brightest pixel is above 1.1, and G adds 0.5; images are of one grey, about 0.2 ("dark") or
 * about 0.8. So F alone finds every image dark. Include after cmocka.h; LAMP_SIDE and LAMP_TRAIN,
 * defined before, set the images' size and how many of a class there are to train on.
 */
#ifndef ATTACK_FIXTURE_H
#define ATTACK_FIXTURE_H

#include <math.h>

#include "attack/redteam.h"
#include "model/run.h"
#include "model_fixture.h"
#include "ward/ward.h"

#ifndef LAMP_SIDE
#define LAMP_SIDE 4
#define LAMP_TRAIN 40
#endif

enum { SIDE = LAMP_SIDE, PIXELS = SIDE * SIDE, BRIGHT = 30, DARK = 50, TRAIN = LAMP_TRAIN };

static const double dark_share = (double)DARK / (BRIGHT + DARK);

static ward_device *device;
static ward_dataset *data;

/* ---- a network, a transform and images ---- */

static inline void set(struct tensor_list *params, const char *name, size_t at, float value)
{
    tensor_list_find(params, name)->data[at] = value;
}

static inline void clear(struct tensor_list *params)
{
    for (size_t i = 0; i < params->count; i++)
        memset(params->items[i].data, 0, shape_count(&params->items[i].shape) * sizeof(float));
}

static inline struct model handmade(ward_method method)
{
    const char *const names[] = {"bright", "dark"};
    struct net_spec spec = {"simple-cnn", 1, SIDE, SIDE, 2};
    struct model m = {.method = method};

    assert_ok(net_init(&m.net, &spec, 1));
    clear(&m.net.params);
    set(&m.net.params, "conv1.weight", 4, 1); /* the middle of 3x3: pass the first channel on */
    set(&m.net.params, "conv2.weight", 4, 1);
    set(&m.net.params, "fc1.weight", 0, 1);
    set(&m.net.params, "fc2.weight", 0, 1);
    set(&m.net.params, "fc2.bias", 0, -1.1f);
    assert_ok(model_describe(&m, "lamps", 0.0f, 1.0f, names, 2));
    model_identify(&m);
    return m;
}

static inline struct transform adding(const struct model *m, float value)
{
    struct transform t = transform_for(m);

    clear(&t.params);
    if (m->method == WARD_METHOD_GENERATOR)
        set(&t.params, "transform.conv2.bias", 0, atanhf(value));
    else
        for (size_t i = 0; i < PIXELS; i++)
            t.params.items[0].data[i] = value;
    if (m->method == WARD_METHOD_FIXED)
        t.spec.sigma = value;
    return t;
}

static inline void write_transform(const struct model *m, const char *path)
{
    struct transform t = adding(m, 0.5f);
    struct transform_owner owner = owner_of(m);

    assert_ok(transform_file_write(path, &t, &owner, NULL));
    transform_release(&t);
}

/* A run of F in the folder, and of G unless the method is baseline. Releases F. */
static inline ward_run *open_run_of(struct model *m, const char *name)
{
    struct run_dir dir = {.path = NULL};
    ward_run *run = NULL;

    assert_ok(file_make_directory(in_folder(name)));
    assert_ok(run_dir_init(&dir, in_folder(name)));
    assert_ok(model_write(dir.model, m));
    if (m->method != WARD_METHOD_BASELINE)
        write_transform(m, dir.transform);
    assert_ok(ward_run_open(&run, in_folder(name)));
    run_dir_release(&dir);
    model_release(m);
    return run;
}

static inline ward_run *open_run(ward_method method)
{
    struct model m = handmade(method);

    return open_run_of(&m, ward_method_name(method));
}

/* A thief of the network, who knows nothing yet; G's structure is no secret. */
static inline struct thief thief_of(const ward_run *run, const atomic_bool *is_stopping)
{
    const struct model *m = &run->model;

    return (struct thief){.device = device,
                          .network = &m->net,
                          .method = m->method,
                          .low = m->low,
                          .high = m->high,
                          .structure = {.method = WARD_METHOD_GENERATOR,
                                        .channels = 1,
                                        .height = SIDE,
                                        .width = SIDE,
                                        .generator_width = 4,
                                        .start = 0.3f,
                                        .low = m->low,
                                        .high = m->high},
                          .is_stopping = is_stopping};
}

static inline void write_lamps(const char *directory, float grey, int count)
{
    uint8_t pixels[PIXELS];
    const ward_image image = {SIDE, SIDE, 1, pixels};
    char name[300];

    assert_ok(file_make_directory(directory));
    for (int i = 0; i < count; i++) {
        memset(pixels, (int)lrintf(255 * (grey + 0.01f * (float)(i % 9))), sizeof pixels);
        snprintf(name, sizeof name, "%s/%03d.png", directory, i);
        assert_ok(ward_image_write(&image, name, WARD_IMAGE_REPLACE));
    }
}

static inline int open_all(void **state)
{
    if (folder_make(state))
        return -1;
    write_lamps(in_folder("lamps/train/bright"), 0.75f, TRAIN);
    write_lamps(in_folder("lamps/train/dark"), 0.15f, TRAIN);
    write_lamps(in_folder("lamps/test/bright"), 0.75f, BRIGHT);
    write_lamps(in_folder("lamps/test/dark"), 0.15f, DARK);
    assert_ok(ward_dataset_open(&data, in_folder("lamps")));
    assert_ok(ward_device_open(&device, "cpu"));
    ward_set_threads(2);
    return 0;
}

static inline int close_all(void **state)
{
    ward_device_close(device);
    ward_dataset_free(data);
    return folder_remove(state);
}

#endif
