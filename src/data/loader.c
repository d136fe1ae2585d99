/*
 * A ring of buffers between the thread that makes batches and the one that uses them. Batch m lies
 * in buffer m % BUFFERS (counted from the first step). The user holds batch taken - 1, so batch m
 * may be written once m - BUFFERS <= taken - 2.
 */
#include <pthread.h>

#include "base/mem.h"
#include "base/signals.h"
#include "data/batch.h"

enum { BUFFERS = 3, ALIGNMENT = 64 };

struct loader {
    struct batch_source source;
    struct epoch_order order; /* the making thread's */
    uint64_t first_step;
    float *x[BUFFERS];
    int32_t *y[BUFFERS];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t moved;
    uint64_t made;
    uint64_t taken;
    bool is_stopping;
    bool has_thread; /* the opening thread's */
    pthread_t thread;
};

/* Waits until there is room for the next batch; false when it is time to stop. */
static bool wait_for_room(struct loader *loader)
{
    bool go;

    pthread_mutex_lock(&loader->lock);
    while (!loader->is_stopping && loader->made + 2 > loader->taken + BUFFERS)
        pthread_cond_wait(&loader->moved, &loader->lock);
    go = !loader->is_stopping;
    pthread_mutex_unlock(&loader->lock);
    return go;
}

static void *make_batches(void *context)
{
    struct loader *loader = context;

    /* Only this thread changes made, so it may read it without the lock. */
    while (wait_for_room(loader)) {
        size_t slot = (size_t)(loader->made % BUFFERS);

        batch_make(&loader->source, &loader->order, loader->first_step + loader->made,
                   loader->x[slot], loader->y[slot]);
        pthread_mutex_lock(&loader->lock);
        loader->made++;
        pthread_cond_signal(&loader->moved);
        pthread_mutex_unlock(&loader->lock);
    }
    return NULL;
}

static ward_status make_buffers(struct loader *loader)
{
    const ward_input *in = &ward_dataset_get_info(loader->source.split->data)->input;
    size_t image = (size_t)in->channels * in->height * in->width, len;
    ward_status st;

    if (!mul_size(image, loader->source.batch, &len) || !mul_size(len, sizeof(float), &len))
        return ward_fail(WARD_ERR_NOMEM, "a batch of %u images is too large", loader->source.batch);
    st = epoch_order_init(&loader->order, loader->source.split);
    for (size_t i = 0; !st && i < BUFFERS; i++) {
        st = mem_new_aligned(&loader->x[i], len, ALIGNMENT);
        if (!st)
            st = mem_new(&loader->y[i], loader->source.batch, sizeof *loader->y[i]);
    }
    return st;
}

static ward_status start(struct loader *loader)
{
    ward_status st = thread_start(&loader->thread, make_batches, loader);

    loader->has_thread = st == WARD_OK;
    return st;
}

ward_status loader_open(struct loader **out, const struct batch_source *source, uint64_t first_step)
{
    struct loader *loader = NULL;
    ward_status st;

    st = mem_new(&loader, 1, sizeof *loader);
    if (st)
        return st;
    loader->source = *source;
    loader->first_step = first_step;
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->moved, NULL);
    st = make_buffers(loader);
    if (!st)
        st = start(loader);
    if (st) {
        loader_close(loader);
        return st;
    }
    *out = loader;
    return WARD_OK;
}

void loader_next(struct loader *loader, const float **x, const int32_t **y)
{
    size_t slot;

    pthread_mutex_lock(&loader->lock);
    slot = (size_t)(loader->taken % BUFFERS);
    while (loader->made == loader->taken)
        pthread_cond_wait(&loader->moved, &loader->lock);
    loader->taken++;
    pthread_cond_signal(&loader->moved);
    pthread_mutex_unlock(&loader->lock);
    *x = loader->x[slot];
    *y = loader->y[slot];
}

void loader_close(struct loader *loader)
{
    if (!loader)
        return;
    if (loader->has_thread) {
        pthread_mutex_lock(&loader->lock);
        loader->is_stopping = true;
        pthread_cond_signal(&loader->moved);
        pthread_mutex_unlock(&loader->lock);
        pthread_join(loader->thread, NULL);
    }
    pthread_cond_destroy(&loader->moved);
    pthread_mutex_destroy(&loader->lock);
    epoch_order_release(&loader->order);
    for (size_t i = 0; i < BUFFERS; i++) {
        mem_free(loader->x[i]);
        mem_free(loader->y[i]);
    }
    mem_free(loader);
}
