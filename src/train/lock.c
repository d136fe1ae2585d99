/* Lock keys in a training: see lock.h. */
#include "train/lock.h"

#include <stdio.h>

#include "base/mem.h"
#include "key/draw.h"
#include "key/keys.h"

enum { MAX_LABEL = 256 };

static ward_status match(const ward_train_config *c, const char *fingerprint)
{
    if (c->lock && strcmp(c->lock, fingerprint) != 0)
        return ward_fail(WARD_ERR_AUTH, "the lock key is another than the run's");
    return WARD_OK;
}

ward_status lock_note(ward_keys *lock, struct run_config *config, bool is_resumed)
{
    ward_train_config *c = &config->values;
    const struct identity *key;
    char text[PUBLIC_TEXT_MAX];
    ward_status st;

    if (!lock && !c->lock)
        return WARD_OK;
    if (c->method != WARD_METHOD_KEYED || c->secret_seed)
        return ward_fail(WARD_ERR_ARG,
                         "a lock key goes with method keyed, and with no secret seed");
    if (is_resumed && !c->lock)
        return ward_fail(WARD_ERR_ARG, "the run follows from no lock key");
    if (!lock)
        return WARD_OK;
    st = keys_lock(lock, &key);
    if (st)
        return st;
    public_key_format(&key->public, text);
    st = match(c, text);
    if (st || c->lock)
        return st;
    st = mem_strdup(&config->lock, text);
    c->lock = config->lock;
    return st;
}

ward_status lock_derive(ward_keys *lock, const struct net_spec *net, const char *settings,
                        uint8_t key[TRANSFORM_SEED_LEN])
{
    const struct identity *from;
    char label[MAX_LABEL];
    struct draw draw;
    ward_status st;

    if (!lock)
        return ward_fail(WARD_ERR_AUTH, "the lock key that the run follows from is needed until "
                                        "its first checkpoint is written");
    snprintf(label, sizeof label, "ward/lock/%zux%zux%zu/%zu/%s/v2", net->channels, net->height,
             net->width, net->classes, settings);
    st = keys_lock(lock, &from);
    if (!st)
        st = draw_init(&draw, from->secret.data, label);
    if (st)
        return st;
    for (size_t i = 0; i < TRANSFORM_SEED_LEN; i += 4) {
        uint32_t word = draw_u32(&draw);

        for (size_t b = 0; b < 4; b++)
            key[i + b] = (uint8_t)(word >> 8 * b);
    }
    draw_release(&draw);
    return WARD_OK;
}
