/* See backend.h. */
#include "serve/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/util.h"
#include "guard/guard.h"
#include "ward/run.h"

enum { SIZES = 3 };

struct backend {
    ward_run *run; /* F alone */
    ward_run_info info;
    struct guard *guard;  /* NULL: a baseline */
    pthread_mutex_t lock; /* of the sessions */
    ward_device *device;
    ward_session *sessions[SIZES]; /* made when first needed */
    size_t batches[SIZES];         /* ascending; a session always computes a whole batch */
    unsigned threads;
};

/* ---- starting ---- */

/* F without G: the bare model file. */
static ward_status open_public(struct backend *b, const char *path)
{
    char *model = NULL;
    ward_status st = file_is_directory(path) ? file_join(&model, path, "model.safetensors")
                                             : mem_strdup(&model, path);

    if (!st)
        st = ward_run_open(&b->run, model);
    if (!st)
        ward_run_describe(b->run, &b->info);
    mem_free(model);
    return st;
}

static ward_status check_use(const struct backend *b, const ward_server_config *c)
{
    if (c->is_transform_only && b->info.method == WARD_METHOD_BASELINE)
        return ward_fail(WARD_ERR_ARG, "'%s' is a baseline: it has no transform to serve", c->run);
    if (b->info.method != WARD_METHOD_BASELINE && !file_is_directory(c->run))
        return ward_fail(WARD_ERR_ARG,
                         "'%s' is F alone: name its run's directory, which has the transform, too",
                         c->run);
    return WARD_OK;
}

static ward_status start_guard(struct backend *b, const ward_server_config *c)
{
    struct guard_config config = {.run = c->run,
                                  .identity = c->identity,
                                  .tpm = c->tpm ? c->tpm : getenv("TPM2TOOLS_TCTI"),
                                  .passphrase = c->passphrase_fd,
                                  .batch = c->batch,
                                  .threads = c->threads,
                                  .is_strict = c->is_strict,
                                  .answers_processed = c->is_transform_only,
                                  .refuses_disclosure =
                                      c->is_transform_only && !c->accepts_disclosure,
                                  .log = c->log,
                                  .context = c->context};
    struct guard_info info;
    ward_status st;
    int fd = -1;

    if (c->passphrase_file) {
        fd = open(c->passphrase_file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return ward_fail(WARD_ERR_IO, "cannot read '%s': %s", c->passphrase_file,
                             strerror(errno));
        config.passphrase = fd;
    }
    st = guard_start(&b->guard, &config);
    if (fd >= 0)
        close(fd);
    if (st)
        return st;
    guard_describe(b->guard, &info);
    if (strcmp(info.model_id, b->info.model_id) != 0)
        return ward_fail(WARD_ERR_IO, "'%s' was replaced while it was opened: try again", c->run);
    return WARD_OK;
}

static void describe(const struct backend *b, const ward_server_config *c, struct infer_model *m)
{
    m->channels = b->info.channels;
    m->height = b->info.height;
    m->width = b->info.width;
    m->low = b->info.low;
    m->high = b->info.high;
    m->classes = b->info.classes;
    m->class_names = b->info.class_names;
    m->images_max = c->request_max;
    m->is_baseline = b->info.method == WARD_METHOD_BASELINE;
    m->outputs = c->is_transform_only ? INFER_PROCESSED
                 : c->has_scores      ? INFER_CLASS | INFER_LABEL | INFER_SCORES
                                      : INFER_CLASS | INFER_LABEL;
}

ward_status backend_new(struct backend **out, const ward_server_config *c,
                        struct infer_model *model)
{
    struct backend *b = NULL;
    ward_status st = mem_new(&b, 1, sizeof *b);

    if (st)
        return st;
    pthread_mutex_init(&b->lock, NULL);
    b->batches[0] = 1;
    b->batches[1] = min_size(8, c->batch);
    b->batches[2] = c->batch;
    b->threads = c->threads;
    st = open_public(b, c->run);
    if (!st)
        st = check_use(b, c);
    if (!st)
        st = ward_device_open(&b->device, NULL);
    if (!st && b->info.method != WARD_METHOD_BASELINE)
        st = start_guard(b, c);
    if (st) {
        backend_free(b);
        return st;
    }
    describe(b, c, model);
    *out = b;
    return WARD_OK;
}

void backend_free(struct backend *b)
{
    if (!b)
        return;
    guard_stop(b->guard);
    for (size_t i = 0; i < SIZES; i++)
        ward_session_free(b->sessions[i]);
    ward_device_close(b->device);
    ward_run_close(b->run);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

const char *backend_model_id(const struct backend *b)
{
    return b->info.model_id;
}

bool backend_is_well(struct backend *b)
{
    return !b->guard || guard_state(b->guard) == GUARD_READY;
}

/* ---- computing ---- */

static ward_status run_raw(struct backend *b, size_t n, const float *x, float *y)
{
    size_t i = 0;
    ward_status st = WARD_OK;

    while (b->batches[i] < n)
        i++;
    parallel_set_threads(b->threads);
    if (!b->sessions[i])
        st = ward_session_new(&b->sessions[i], b->run, b->device, b->batches[i]);
    return st ? st : ward_session_predict(b->sessions[i], n, x, true, y);
}

ward_status backend_run(struct backend *b, enum backend_pass pass, size_t n, const float *x,
                        float *y)
{
    ward_status st;

    if (pass != BACKEND_RAW && b->guard)
        return guard_run(b->guard, n, x, y);
    pthread_mutex_lock(&b->lock);
    st = run_raw(b, n, x, y);
    pthread_mutex_unlock(&b->lock);
    return st;
}
