/*
 * The two results of a training as files: the public network F (model.safetensors) and the secret
 * transform G that belongs to it (transform.ward). The only place that decides what a public file
 * says; nothing here that goes into model.safetensors may depend on G or on a seed.
 *
 * What is read is checked whole: names and shapes against the architecture, values finite, the
 * digest recomputed. Every message names the file. On failure out-values are as they were.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>

#include "base/json.h"
#include "key/seal.h"
#include "nn/net.h"
#include "protect/transform.h"
#include "ward/method.h"

enum { MODEL_ID_LEN = 64, MODEL_MAX_LABEL = 255 };

struct model {
    struct net net;
    ward_method method;
    char *data;                /* name of the data set, at most MODEL_MAX_LABEL bytes; owned */
    float low, high;           /* range of input values, low < high */
    char **class_names;        /* net.spec.classes of them, each as `data`; owned,
                                  one block */
    char id[MODEL_ID_LEN + 1]; /* digest of all of the above but `data`, in hex */
};

/* Fill data and class_names with copies and low, high; the rest of m is left alone. */
WARD_CHECK ward_status model_describe(struct model *m, const char *data, float low, float high,
                                      const char *const *class_names, size_t classes);
/*
 * What a public file says of a model beside its values, as an object of strings: the keys of
 * docs/formats.md, section 1. Owned: json_decref().
 */
WARD_CHECK ward_status model_metadata(const struct model *m, json_t **out);
/* The other way: fill in all of m but its parameters and id, from an untrusted object; `format`
 * and its version are not looked at. m may be partly filled after WARD_ERR_FORMAT. */
WARD_CHECK ward_status model_metadata_read(const json_t *metadata, struct model *m);
/* WARD_ERR_FORMAT if metadata[key] is not that string. */
WARD_CHECK ward_status model_metadata_expect(const json_t *metadata, const char *key,
                                             const char *wanted);
/* The class names as an array, owned: json_decref(); NULL if out of memory, as jansson says it. */
json_t *model_class_names(const struct model *m);
/* All zero is fine. */
void model_release(struct model *m);

/* Compute m->id; to be called when everything else is in place. */
void model_identify(struct model *m);

/*
 * Write F for everyone to read; replaces what is there. m->id must be up to date. WARD_ERR_NUMERIC
 * if a value is not finite.
 */
WARD_CHECK ward_status model_write(const char *path, const struct model *m);
/* m is all zero; parameters come in the order of the architecture whatever the file's order is. */
WARD_CHECK ward_status model_read(const char *path, struct model *m);
/* The same from a file's bytes; messages without the file's name. */
WARD_CHECK ward_status model_parse(const uint8_t *data, size_t len, struct model *m);

/* What transform.ward says beside G. */
struct transform_owner {
    char model_id[MODEL_ID_LEN + 1]; /* the model that G unlocks */
    bool is_reproducible;            /* drawn from a seed given by hand, so not secret */
};

/*
 * Write G, mode 0600; replaces what is there. It is sealed if `seal` says to whom (kind and id
 * excepted, which are filled in), a bare frame if that is NULL. WARD_ERR_NUMERIC if a value is not
 * finite.
 */
WARD_CHECK ward_status transform_file_write(const char *path, const struct transform *t,
                                            const struct transform_owner *owner,
                                            const struct seal *seal);
/*
 * t is all zero. A sealed one is opened with the keys (NULL: none) and must be for the model `id`
 * (NULL: any): WARD_ERR_AUTH if not.
 */
WARD_CHECK ward_status transform_file_read(const char *path, const char *id, ward_keys *keys,
                                           struct transform *t, struct transform_owner *owner);
/* The same from a file's bytes; messages without the file's name. */
WARD_CHECK ward_status transform_file_parse(const uint8_t *data, size_t len, struct transform *t,
                                            struct transform_owner *owner);

#endif
