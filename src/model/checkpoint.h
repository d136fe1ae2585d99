/*
 * checkpoint.ward: all that continuing a training bit for bit needs, beside config.json. Secret,
 * as it holds G. A torn or damaged file is recognised by its SHA-256; files are replaced
 * atomically, so a kill at any moment leaves the last complete one.
 */
#ifndef MODEL_CHECKPOINT_H
#define MODEL_CHECKPOINT_H

#include "base/json.h"
#include "model/model.h"

struct checkpoint {
    struct net net;
    struct tensor_list velocity; /* see net_velocities() */
    bool has_transform;          /* false for a baseline: the next three are zero */
    struct transform transform;
    struct tensor_list transform_velocity; /* see transform_velocities() */
    bool is_reproducible;                  /* see struct transform_owner */
    uint64_t step;                         /* iterations done */
    uint64_t metrics_len;                  /* bytes of metrics.jsonl that belong to those */
    /* What a training knows of adversaries, under names of its own that start with "rival."; empty
     * without. */
    struct tensor_list rivals;
    json_t *state; /* whatever else the trainer keeps, an object; owned */
};

/*
 * An empty list receives one zeroed tensor for each trainable parameter, named and shaped as that:
 * what a checkpoint has to hold of velocities. Owned.
 */
WARD_CHECK ward_status net_velocities(struct tensor_list *list, const struct net_spec *spec);
WARD_CHECK ward_status transform_velocities(struct tensor_list *list,
                                            const struct transform_spec *spec);

/*
 * Write, mode 0600; replaces what is there. Sealed to the owner alone if `seal` says who (kind and
 * id are filled in), a bare frame if that is NULL. Only reads c, so a trainer may put its own
 * structures into one by assignment (and then never releases it).
 */
WARD_CHECK ward_status checkpoint_write(const char *path, const struct checkpoint *c,
                                        const struct seal *seal);
/* c is all zero. Spec, names, shapes of all lists but the rivals and finite values are checked. A
 * sealed one is opened with the keys (NULL: none). */
WARD_CHECK ward_status checkpoint_read(const char *path, ward_keys *keys, struct checkpoint *c);
/* The same from the bytes of a bare frame; messages are without a file's name. */
WARD_CHECK ward_status checkpoint_parse(const uint8_t *data, size_t len, struct checkpoint *c);
/* Wipes. All zero is fine. */
void checkpoint_release(struct checkpoint *c);

#endif
