/* Answers that are kept: see service.h. */
#include "attack/service.h"

#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "base/util.h"

enum { BATCH = 128 };

struct digest {
    uint8_t bytes[SHA256_LEN]; /* of an image */
};

/* An image that was seen; number 0: nothing is here. */
struct entry {
    struct digest digest;
    size_t number; /* from 1 on: its answer is the number-th */
};

/* The answers of one pass. */
struct memory {
    struct entry *entries; /* [slots], a hash table: each at its slot or at the next free one */
    float *values;         /* [room, len] */
    size_t slots, room, len, used;
};

struct service {
    ward_session *session;
    size_t image_len, images, batch;
    size_t longest;               /* of an answer */
    struct memory of[PASS_COUNT]; /* without entries before the first question */
    /* Of a batch, what is not known: */
    float *asked, *answered; /* [batch, image_len], [batch, longest] */
    struct digest *digests;  /* [batch] */
    size_t *rows;            /* [batch]: where they are in it */
};

/* ---- memory ---- */

static void memory_close(struct memory *m)
{
    if (m->values)
        mem_wipe(m->values, m->room * m->len * sizeof *m->values);
    mem_free(m->values);
    mem_free(m->entries);
    *m = (struct memory){.entries = NULL};
}

static ward_status memory_open(struct memory *m, size_t room, size_t len)
{
    ward_status st;

    *m = (struct memory){.slots = 2, .room = room, .len = len};
    while (m->slots < 2 * room)
        m->slots *= 2;
    st = mem_new(&m->values, room, len * sizeof *m->values);
    if (!st)
        st = mem_new(&m->entries, m->slots, sizeof *m->entries);
    if (st)
        memory_close(m);
    return st;
}

/* The entry of a digest, or the free one where it belongs; at least half of them are free. */
static struct entry *find(const struct memory *m, const struct digest *digest)
{
    uint64_t slot;

    memcpy(&slot, digest->bytes, sizeof slot);
    for (;; slot++) {
        struct entry *entry = &m->entries[slot & (m->slots - 1)];

        if (entry->number == 0 || memcmp(&entry->digest, digest, sizeof *digest) == 0)
            return entry;
    }
}

static void remember(struct memory *m, const struct digest *digest, const float *values)
{
    struct entry *entry = find(m, digest);

    if (entry->number > 0 || m->used == m->room)
        return;
    *entry = (struct entry){*digest, ++m->used};
    memcpy(m->values + (entry->number - 1) * m->len, values, m->len * sizeof *values);
}

/* ---- the service ---- */

ward_status service_open(struct service **out, const ward_run *run, ward_device *device,
                         size_t images)
{
    const struct net_spec *net = &run->model.net.spec;
    struct service *s = NULL;
    ward_status st = mem_new(&s, 1, sizeof *s);

    if (st)
        return st;
    s->images = images;
    s->batch = min_size(images, BATCH);
    s->image_len = net->channels * net->height * net->width;
    s->longest = max_size(s->image_len, net->classes);
    st = ward_session_new(&s->session, run, device, s->batch);
    if (!st)
        st = mem_new(&s->asked, s->batch, s->image_len * sizeof *s->asked);
    if (!st)
        st = mem_new(&s->answered, s->batch, s->longest * sizeof *s->answered);
    if (!st)
        st = mem_new(&s->digests, s->batch, sizeof *s->digests);
    if (!st)
        st = mem_new(&s->rows, s->batch, sizeof *s->rows);
    if (st)
        service_close(s);
    else
        *out = s;
    return st;
}

void service_close(struct service *s)
{
    if (!s)
        return;
    for (int pass = 0; pass < PASS_COUNT; pass++)
        memory_close(&s->of[pass]);
    ward_session_free(s->session);
    if (s->answered)
        mem_wipe(s->answered, s->batch * s->longest * sizeof *s->answered);
    mem_free(s->asked);
    mem_free(s->answered);
    mem_free(s->digests);
    mem_free(s->rows);
    mem_free(s);
}

static struct digest digest_of(const struct service *s, const float *image)
{
    struct sha256 sha;
    struct digest digest;

    sha256_init(&sha);
    sha256_update(&sha, image, s->image_len * sizeof *image);
    sha256_finish(&sha, digest.bytes);
    return digest;
}

/* n <= batch */
static ward_status run_batch(struct service *s, enum pass pass, size_t n, const float *x, float *y)
{
    struct memory *m = &s->of[pass];
    size_t asked = 0;
    ward_status st = WARD_OK;

    for (size_t i = 0; i < n; i++) {
        const float *image = x + i * s->image_len;
        struct digest digest = digest_of(s, image);
        size_t number = find(m, &digest)->number;

        if (number > 0) {
            memcpy(y + i * m->len, m->values + (number - 1) * m->len, m->len * sizeof *y);
            continue;
        }
        memcpy(s->asked + asked * s->image_len, image, s->image_len * sizeof *image);
        s->digests[asked] = digest;
        s->rows[asked++] = i;
    }
    if (asked > 0)
        st = session_run(s->session, pass, asked, s->asked, s->answered);
    for (size_t i = 0; i < asked && !st; i++) {
        const float *answer = s->answered + i * m->len;

        memcpy(y + s->rows[i] * m->len, answer, m->len * sizeof *y);
        remember(m, &s->digests[i], answer);
    }
    return st;
}

ward_status service_run(struct service *s, enum pass pass, size_t n, const float *x, float *y)
{
    struct memory *m = &s->of[pass];
    ward_status st = WARD_OK;

    if (!m->entries)
        st = memory_open(m, s->images, session_result_len(s->session, pass));
    for (size_t done = 0; done < n && !st; done += s->batch)
        st = run_batch(s, pass, min_size(n - done, s->batch), x + done * s->image_len,
                       y + done * m->len);
    return st;
}
