/* An opened run and its sessions: ward/run.h from the inside. */
#ifndef MODEL_RUN_H
#define MODEL_RUN_H

#include "model/model.h"
#include "ward/run.h"
#include "ward/train.h"

/* What config.json tells those who measure a run; it may be missing. */
struct run_training {
    bool is_known;
    bool has_shares; /* trained on SHARE_OWNER of the training images (data/batch.h), by seed */
    uint64_t seed;
    uint64_t images; /* run_images_shown() */
};

/* Images that a training by these settings shows F in all: processed, raw, under wrong keys, and by
 * adversaries that it simulates. */
uint64_t run_images_shown(const ward_train_config *config);

struct ward_run {
    struct model model;
    struct run_training training;
    bool has_transform;
    struct transform transform; /* all zero without */
    struct transform_owner owner;
};

/* WARD_ERR_ARG, saying why, unless the network takes the data set's images and has its classes. */
WARD_CHECK ward_status run_check_data(const ward_run *run, const ward_dataset_info *info);

/* Which function of an image a session computes. */
enum pass {
    PASS_RAW,        /* F(x) */
    PASS_AUTHORISED, /* F(G(x)) */
    PASS_TRANSFORM,  /* G(x) */
    PASS_COUNT
};

/* Values of one result: classes, or an image's. */
size_t session_result_len(const struct ward_session *session, enum pass pass);

/*
 * y = pass(x) for n images of any number; y may be x where they are of one size. WARD_ERR_ARG if
 * the pass needs G and there is none or a value of x is not finite, WARD_ERR_NUMERIC if one of y is
 * not.
 */
WARD_CHECK ward_status session_run(struct ward_session *session, enum pass pass, size_t n,
                                   const float *x, float *y);

/* What a pass is computed by; NULL before its first run. */
struct plan *session_plan(const struct ward_session *session, enum pass pass);

#endif
