/*
 * A network whose answers F learns beside the labels: it sees each batch as G does, raw and after
 * crop and flip, by its running statistics and without dropout.
 */
#ifndef TRAIN_TEACHER_H
#define TRAIN_TEACHER_H

#include "nn/net.h"
#include "train/origin.h"

struct teacher {
    struct net net;
    struct graph graph;
    struct plan *plan; /* NULL: there is no teacher */
    int x, logits;
    float temperature;
};

/*
 * Read the network of a run or a file (origin_read()) and compile it for batches.
 *
 *   t       all zero; teacher_release() in any case
 *   fits    what F is: the images and classes must be the same
 *   digest  receives that of the file, in hex
 *
 * WARD_ERR_ARG another kind of images or classes; origin_read()'s errors; WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status teacher_init(struct teacher *t, struct ward_device *device, const char *path,
                                    const struct net_spec *fits, size_t batch, float temperature,
                                    char digest[ORIGIN_DIGEST_LEN + 1]);
void teacher_release(struct teacher *t);

/* Its probabilities for a batch x at the temperature: softmax(logits / T), [batch, k]. */
WARD_CHECK ward_status teacher_answer(struct teacher *t, const float *x, float *probabilities);

#endif
