/* See meter.h. */
#include "serve/meter.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "key/secret.h"

enum { MAGIC_LEN = 8, HEAD_LEN = MAGIC_LEN + METER_KEY_LEN, ROOM_MIN = 256 };

static const uint8_t magic[MAGIC_LEN] = {'W', 'A', 'R', 'D', 'M', 0, 1, '\n'};
static const size_t file_max = (size_t)1 << 34;

static size_t first_slot(const struct meter *meter, const uint8_t *digest)
{
    uint64_t bits;

    memcpy(&bits, digest, sizeof bits);
    return (size_t)bits & (meter->room - 1);
}

static bool is_empty(const uint8_t *slot)
{
    static const uint8_t zero[METER_DIGEST_LEN];

    return memcmp(slot, zero, sizeof zero) == 0;
}

/* The digest's slot, or the empty one where it belongs. */
static uint8_t *find(const struct meter *meter, const uint8_t *digest)
{
    size_t i = first_slot(meter, digest);

    while (!is_empty(meter->slots[i]) && memcmp(meter->slots[i], digest, METER_DIGEST_LEN) != 0)
        i = (i + 1) & (meter->room - 1);
    return meter->slots[i];
}

static void insert(struct meter *meter, const uint8_t *digest)
{
    uint8_t *slot = find(meter, digest);

    meter->count += is_empty(slot);
    memcpy(slot, digest, METER_DIGEST_LEN);
}

/* Room for `more` at most half full. */
static ward_status make_room(struct meter *meter, size_t more)
{
    struct meter wider = *meter;
    ward_status st;

    wider.room = wider.room ? wider.room : ROOM_MIN;
    while (wider.room / 2 < meter->count + more)
        wider.room *= 2;
    if (wider.room == meter->room)
        return WARD_OK;
    st = mem_new(&wider.slots, wider.room, METER_DIGEST_LEN);
    if (st)
        return st;
    wider.count = 0;
    for (size_t i = 0; i < meter->room; i++)
        if (!is_empty(meter->slots[i]))
            insert(&wider, meter->slots[i]);
    mem_free(meter->slots);
    *meter = wider;
    return WARD_OK;
}

static ward_status create(const char *path)
{
    uint8_t head[HEAD_LEN];
    ward_status st;

    memcpy(head, magic, MAGIC_LEN);
    st = key_random(head + MAGIC_LEN, METER_KEY_LEN);
    if (!st)
        st = file_write(path, head, sizeof head, FILE_SECRET);
    mem_wipe(head, sizeof head);
    return st;
}

/* A digest is never all zero: what is was written by nobody, but left by a loss of power. */
ward_status meter_parse(struct meter *meter, const uint8_t *data, size_t len)
{
    struct meter made = {.fd = -1};
    ward_status st;

    if (len < HEAD_LEN || memcmp(data, magic, MAGIC_LEN) != 0)
        return ward_fail(WARD_ERR_FORMAT, "not a meter's file of version 1");
    st = make_room(&made, (len - HEAD_LEN) / METER_DIGEST_LEN);
    if (st)
        return st;
    memcpy(made.key, data + MAGIC_LEN, METER_KEY_LEN);
    for (size_t at = HEAD_LEN; len - at >= METER_DIGEST_LEN; at += METER_DIGEST_LEN)
        if (!is_empty(data + at))
            insert(&made, data + at);
    *meter = made;
    mem_wipe(&made, sizeof made);
    return WARD_OK;
}

/* A digest that was cut off by a full disk or a loss of power is not counted. */
ward_status meter_open(struct meter *meter, const char *path)
{
    struct meter made = {.fd = -1};
    uint8_t *data = NULL;
    size_t len = 0;
    ward_status st = file_exists(path) ? WARD_OK : create(path);

    if (!st)
        st = file_read(path, file_max, &data, &len);
    if (!st) {
        st = meter_parse(&made, data, len);
        if (st == WARD_ERR_FORMAT)
            st = ward_fail_within(st, "'%s'", path);
    }
    if (!st && (len - HEAD_LEN) % METER_DIGEST_LEN)
        st = file_truncate(path, len - (len - HEAD_LEN) % METER_DIGEST_LEN);
    if (!st) {
        made.fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (made.fd < 0)
            st = ward_fail(WARD_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    }
    if (!st) {
        *meter = made;
        made = (struct meter){.fd = -1};
    }
    mem_free(made.slots);
    mem_wipe(&made, sizeof made);
    mem_free(data);
    return st;
}

/* Never all zero, which stands for an empty slot. */
static void digest_of(const struct meter *meter, const void *image, size_t len,
                      uint8_t digest[METER_DIGEST_LEN])
{
    uint8_t full[SHA256_LEN];
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, meter->key, METER_KEY_LEN);
    sha256_update(&sha, image, len);
    sha256_finish(&sha, full);
    memcpy(digest, full, METER_DIGEST_LEN);
    digest[METER_DIGEST_LEN - 1] |= 1;
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, METER_DIGEST_LEN);
}

/* The digests of new images, each once, at the start of `digests`; how many there are. */
static size_t pick_new(const struct meter *meter, size_t count, const uint8_t *images, size_t len,
                       uint8_t (*digests)[METER_DIGEST_LEN])
{
    size_t added = 0;

    for (size_t i = 0; i < count; i++)
        digest_of(meter, images + i * len, len, digests[i]);
    qsort(digests, count, METER_DIGEST_LEN, compare_digests);
    for (size_t i = 0; i < count; i++)
        if ((added == 0 || compare_digests(digests[i], digests[added - 1]) != 0) &&
            is_empty(find(meter, digests[i])))
            memmove(digests[added++], digests[i], METER_DIGEST_LEN);
    return added;
}

/* With one write, so that a kill leaves all of them or none behind. What a full disk has cut off is
 * taken back, or all that follow would lie where none is looked for. */
static ward_status append(struct meter *meter, const uint8_t *digests, size_t len)
{
    off_t end = lseek(meter->fd, 0, SEEK_END);
    ssize_t done;

    do
        done = end < 0 ? -1 : write(meter->fd, digests, len);
    while (done < 0 && errno == EINTR);
    if (done != (ssize_t)len) {
        ward_status st = ward_fail(WARD_ERR_IO, "cannot write to a meter: %s",
                                   done < 0 ? strerror(errno) : "the disk is full");

        if (done > 0 && ftruncate(meter->fd, end) != 0)
            return ward_fail(WARD_ERR_IO, "cannot take back half a write to a meter: %s",
                             strerror(errno));
        return st;
    }
    meter->is_dirty = true;
    return WARD_OK;
}

ward_status meter_add(struct meter *meter, size_t count, const void *images, size_t len,
                      uint64_t max, bool *is_full)
{
    uint8_t(*digests)[METER_DIGEST_LEN] = NULL;
    size_t added;
    ward_status st = mem_new(&digests, count, METER_DIGEST_LEN);

    if (st)
        return st;
    added = pick_new(meter, count, images, len, digests);
    *is_full = max && meter->count + added > max;
    if (!*is_full && added) {
        st = make_room(meter, added);
        if (!st)
            st = append(meter, digests[0], added * METER_DIGEST_LEN);
        for (size_t i = 0; !st && i < added; i++)
            insert(meter, digests[i]);
    }
    mem_free(digests);
    return st;
}

int meter_take_unsynced(struct meter *meter)
{
    int fd = meter->slots && meter->is_dirty ? fcntl(meter->fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (fd >= 0)
        meter->is_dirty = false;
    return fd;
}

void meter_close(struct meter *meter)
{
    if (!meter->slots)
        return;
    if (meter->is_dirty)
        fdatasync(meter->fd);
    if (meter->fd >= 0)
        close(meter->fd);
    mem_free(meter->slots);
    mem_wipe(meter, sizeof *meter);
}
