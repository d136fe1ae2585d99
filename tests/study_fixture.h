/*
 * What the tests of reproducing share: pictures of 8 x 8, and reproductions of them with trainings
 * of three steps. Include after cmocka.h.
 */
#ifndef STUDY_FIXTURE_H
#define STUDY_FIXTURE_H

#include "model_fixture.h"
#include "study/tables.h"

static ward_device *device;

static inline void put_u32be(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Pictures of 8 x 8 of ten classes, as the four files of MNIST. */
static inline void put_split(const char *data, const char *split, uint32_t count)
{
    enum { HEADER = 16, PIXELS = 64, MOST = 64 };
    static uint8_t images[HEADER + MOST * PIXELS], labels[8 + MOST];
    char name[96];

    put_u32be(images, 0x803);
    put_u32be(images + 4, count);
    put_u32be(images + 8, 8);
    put_u32be(images + 12, 8);
    put_u32be(labels, 0x801);
    put_u32be(labels + 4, count);
    for (uint32_t i = 0; i < count; i++)
        labels[8 + i] = (uint8_t)(i % 10);
    for (uint32_t i = 0; i < count * PIXELS; i++)
        images[HEADER + i] = (uint8_t)(i * 2654435761u >> 24);
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", data, split);
    put_file(in_folder(name), images, HEADER + count * PIXELS);
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", data, split);
    put_file(in_folder(name), labels, 8 + count);
}

static inline int open_all(void **state)
{
    ward_set_threads(1);
    if (folder_make(state) || ward_device_open(&device, "cpu"))
        return -1;
    assert_ok(file_make_directory(in_folder("data/fashion-mnist")));
    put_split("data/fashion-mnist", "train", 60);
    put_split("data/fashion-mnist", "t10k", 20);
    setenv("WARD_DATA", in_folder("data"), 1);
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    return 0;
}

static inline int close_all(void **state)
{
    ward_device_close(device);
    return folder_remove(state);
}

static inline ward_reproduce_config config_of(unsigned targets, const char *state)
{
    return (ward_reproduce_config){.targets = targets, .recipe = "fast", .state = state};
}

static inline struct study plan_of(unsigned targets)
{
    const ward_reproduce_config config = config_of(targets, "/nonexistent/state");
    struct study study = {.device = NULL};

    assert_ok(study_plan(&study, device, &config));
    return study;
}

static inline struct study_run *run_of(struct study *study, const char *name)
{
    for (size_t i = 0; i < study->run_count; i++)
        if (strcmp(study->runs[i].name, name) == 0)
            return &study->runs[i];
    fail_msg("no run '%s' in the plan", name);
    return NULL;
}

/* ---- a state directory ---- */

struct stopper {
    size_t calls, limit; /* stop at this call; 0: never */
};

static inline bool count_call(void *context, const ward_reproduce_progress *p)
{
    struct stopper *s = context;

    assert_true(p->share >= 0 && p->share <= 1 && p->seconds_left >= 0);
    return ++s->calls != s->limit;
}

static inline const char *state_path(void)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/state", folder);
    return path;
}

static inline ward_reproduce_config small(unsigned targets)
{
    ward_reproduce_config config = config_of(targets, state_path());

    config.iterations = 3;
    config.trials = 2;
    config.seeds = 1;
    config.skips_missing = true;
    return config;
}

static inline ward_status work(const ward_reproduce_config *config, size_t limit, double budget,
                               size_t *left)
{
    struct stopper stopper = {.limit = limit};
    const ward_reproduce_options options = {
        .progress = count_call, .context = &stopper, .budget = budget};
    ward_reproduction *r = NULL;
    ward_reproduce_item item;
    ward_status st = ward_reproduction_open(&r, device, config);

    if (!st)
        st = ward_reproduction_run(r, &options);
    *left = 0;
    for (size_t i = 0; !st && i < ward_reproduction_count(r); i++) {
        ward_reproduction_item(r, i, &item);
        *left += !item.is_done && !item.is_missing;
    }
    ward_reproduction_close(r);
    return st;
}

/* Owned: mem_free(). Not inline: gcc 12 then takes the text for a local of this function. */
static char *text_of(const char *name)
{
    uint8_t *text = NULL;
    size_t len;

    assert_ok(file_read(in_folder(name), 1 << 20, &text, &len));
    return (char *)text;
}

static inline void assert_says(const char *file, const char *text)
{
    char *contents = text_of(file);

    if (!strstr(contents, text))
        fail_msg("'%s' is not in %s: %s", text, file, contents);
    mem_free(contents);
}

#endif
