/*
 * A run: the directory that one training makes. Here are its paths, the settings and the metrics;
 * the files with tensors are model.h's and checkpoint.h's.
 */
#ifndef MODEL_RUN_DIR_H
#define MODEL_RUN_DIR_H

#include <stdbool.h>

#include "base/json.h"
#include "protect/transform.h"
#include "ward/train.h"

struct run_dir {
    char *path;       /* all owned */
    char *model;      /* PATH/model.safetensors */
    char *transform;  /* PATH/transform.ward */
    char *checkpoint; /* PATH/checkpoint.ward */
    char *metrics;    /* PATH/metrics.jsonl */
    char *config;     /* PATH/config.json */
    char *manifest;   /* PATH/manifest.ward */
};

/* Only makes the names; the directory need not be there. */
WARD_CHECK ward_status run_dir_init(struct run_dir *dir, const char *path);
/* All zero is fine. */
void run_dir_release(struct run_dir *dir);

/* Whether any of a run's files is there. */
bool run_dir_is_used(const struct run_dir *dir);
/* Whether the run is ready for use: the model is there and no checkpoint. */
bool run_dir_is_complete(const struct run_dir *dir);
/* Remove temporaries, secret ones too, that a killed training left. The caller holds the lock. */
WARD_CHECK ward_status run_dir_sweep(const struct run_dir *dir);
/* Remove all of a run's files, with temporaries; other files are left alone. Under the lock. */
WARD_CHECK ward_status run_dir_clear(const struct run_dir *dir);
/* Remove the checkpoint; fine if there is none. */
WARD_CHECK ward_status run_dir_remove_checkpoint(const struct run_dir *dir);

/* Settings as read from a file, with the strings and the seed that `values` points to. */
struct run_config {
    ward_train_config values;
    char *data, *arch, *recipe, *from, *from_digest, *splits; /* all owned */
    char *owner, *recipients, *leaked, *lock;
    char *teacher, *teacher_digest, *teacher_splits; /* likewise */
    uint8_t secret_seed[TRANSFORM_SEED_LEN];
};

/* Every setting as an indented JSON text, owned: mem_free(). Secret if a secret seed is in it. */
WARD_CHECK ward_status run_config_to_json(const ward_train_config *config, char **out);
/*
 * The other way; exact for every value. values points into *config, which must not be moved. Keys
 * that are missing, unknown, or of the wrong type are WARD_ERR_FORMAT; whether the values make
 * sense together is the trainer's to check.
 */
WARD_CHECK ward_status run_config_from_json(struct run_config *config, const char *text,
                                            size_t len);
/* Wipes. All zero is fine. */
void run_config_release(struct run_config *config);

/* config.json: mode 0600; writing replaces what is there. */
WARD_CHECK ward_status run_config_write(const struct run_dir *dir, const ward_train_config *config);
WARD_CHECK ward_status run_config_read(const struct run_dir *dir, struct run_config *config);

/*
 * Append one object as one line to metrics.jsonl and add the bytes written to *len. Before the
 * first append of a resumed training, cut the file to the checkpoint's length
 * (run_metrics_cut(): WARD_ERR_FORMAT if it is shorter; len 0 needs no file).
 */
WARD_CHECK ward_status run_metrics_append(const struct run_dir *dir, const json_t *object,
                                          uint64_t *len);
WARD_CHECK ward_status run_metrics_cut(const struct run_dir *dir, uint64_t len);

#endif
