/*
 * A network whose answers F learns beside the labels: it sees each batch as G does, raw and after
 * crop and flip, by its running statistics and without dropout.
 */
#ifndef TRAIN_TEACHER_H
#define TRAIN_TEACHER_H

#include "train/origin.h"
#include "ward/data.h"
#include "ward/train.h"

struct teacher {
    struct net net;
    struct graph graph;
    struct plan *plan; /* NULL: there is no teacher */
    int x, logits;
    float temperature;
    bool is_of_data; /* trained on a data set of the same name, as far as its file says */
};

/*
 * Read the network of a run or a file (origin_read()) and compile it for batches.
 *
 *   t       all zero; teacher_release() in any case
 *   data    what F is trained on: images, classes and their names must be the same
 *   digest  receives that of the file, in hex
 *
 * WARD_ERR_ARG a locked network, or another kind of images or classes; origin_read()'s errors;
 * WARD_ERR_NOMEM. An ONNX file says neither method nor range nor names.
 */
WARD_CHECK ward_status teacher_init(struct teacher *t, struct ward_device *device, const char *path,
                                    const ward_dataset *data, size_t batch, float temperature,
                                    char digest[ORIGIN_DIGEST_LEN + 1]);
void teacher_release(struct teacher *t);

/*
 * Whether the teacher is a run that was trained on the same share of the same images as F: by the
 * settings in its directory, with the same splits and seed and from nothing else. WARD_ERR_IO,
 * WARD_ERR_FORMAT if they cannot be read.
 */
WARD_CHECK ward_status teacher_has_splits(const struct teacher *t, const ward_train_config *config,
                                          bool *out);

/* Its probabilities for a batch x at the temperature: softmax(logits / T), [batch, k]. */
WARD_CHECK ward_status teacher_answer(struct teacher *t, const float *x, float *probabilities);

#endif
