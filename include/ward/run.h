/*
 * Using what a training made: a run opened for evaluation, prediction and applying G.
 */
#ifndef WARD_RUN_H
#define WARD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/data.h"
#include "ward/device.h"
#include "ward/image.h"
#include "ward/key.h"
#include "ward/method.h"

#ifdef __cplusplus
extern "C" {
#endif

/* F, and G unless it is missing. Immutable; shared by any number of threads. */
typedef struct ward_run ward_run;

/*
 * Open a run directory, or a bare model.safetensors (then without G).
 *
 *   out   receives the run, owned: ward_run_close()
 *
 * WARD_ERR_IO a file is missing or unreadable, or the training is not complete; WARD_ERR_FORMAT a
 * damaged or foreign file (its name and fault in the message), or a transform that belongs to
 * another model; WARD_ERR_AUTH if G is sealed; WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_run_open(ward_run **out, const char *path);
/*
 * The same with keys, which open a sealed G. Borrowed for the call. WARD_ERR_AUTH if they do not,
 * if it was altered, is for another model, or its terms do not allow it.
 */
WARD_API WARD_CHECK ward_status ward_run_open_with(ward_run **out, const char *path,
                                                   ward_keys *keys);
/* Wipes G. NULL is fine. */
WARD_API void ward_run_close(ward_run *run);

typedef struct ward_run_info {
    const char *arch;
    ward_method method;
    const char *data; /* the data set it was trained on: its name */
    size_t channels, height, width;
    float low, high; /* range of input values */
    size_t classes;
    const char *const *class_names; /* classes of them */
    const char *model_id;           /* digest of tensors and spec, hex */
    bool has_transform;             /* G is here; false for a baseline and for a bare model file */
    bool is_reproducible; /* G was drawn from a seed given by hand: the run is not secret */
} ward_run_info;

/* Strings are borrowed from the run. */
WARD_API void ward_run_describe(const ward_run *run, ward_run_info *info);

typedef struct ward_interval {
    double low, high; /* 95 %, Wilson (1927), unless said otherwise */
} ward_interval;

typedef struct ward_evaluation {
    size_t count, classes;
    double authorised;         /* accuracy of F(G(x)); a baseline's accuracy of F(x) */
    double unauthorised;       /* accuracy of F(x); NaN for a baseline */
    double authorised_rounded; /* of F(round8(G(x))), x_p rounded to 8 bits; NaN unless asked for */
    double chance;             /* 1 / classes */
    ward_interval authorised_ci, unauthorised_ci;
    uint64_t *confusion;     /* [classes][classes], row: true class, column: F(G(x)), or F(x) of a
                                baseline; NULL where authorised is NaN; owned */
    uint64_t *confusion_raw; /* the same of F(x); NULL for a baseline; owned */
} ward_evaluation;

/*
 * Accuracy on the training or the test split of a data set whose images fit the run. Without G (a
 * bare model file of a protected run), authorised is NaN. Where a value is NaN, so is its interval.
 *
 *   with_rounding  measure authorised_rounded, too: x_p is clamped to the input's range and each
 *                  value rounded to the nearest of 256 equally spaced ones, low and high among
 *                  them, as an 8-bit picture holds it
 *   out            written only on success; free with ward_evaluation_release()
 *   progress       may be NULL; called from this thread with images done and in all; return false
 *                  to stop (WARD_ERR_STOPPED)
 *
 * WARD_ERR_ARG if shapes, range or classes do not fit or the split has no images; WARD_ERR_NUMERIC
 * if an output is not finite; WARD_ERR_NOMEM; WARD_ERR_DEVICE.
 */
WARD_API WARD_CHECK ward_status
ward_evaluate(const ward_run *run, ward_device *device, const ward_dataset *data, ward_split split,
              bool with_rounding, ward_evaluation *out,
              bool (*progress)(void *context, size_t done, size_t count), void *context);
/* An evaluation that is all zero is fine. */
WARD_API void ward_evaluation_release(ward_evaluation *evaluation);

/*
 * An evaluation as one line of JSON text with stable keys; accuracies are fractions, null where
 * there is none:
 *
 *   {"method", "arch", "data", "split", "count", "authorised", "unauthorised", "chance",
 *    "ci95": {"authorised": [low, high], "unauthorised": [low, high]},
 *    "confusion": {"classes": [names], "authorised": [[counts]], "unauthorised": [[counts]]},
 *    "model_id", "is_reproducible"}
 *
 * and "authorised_rounded" after "unauthorised" if it was measured.
 *
 *   data, split  what was evaluated on
 *   out          owned: ward_string_free()
 *
 * WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_evaluation_json(const ward_run *run, const ward_dataset *data,
                                                     ward_split split,
                                                     const ward_evaluation *evaluation, char **out);

/*
 * A session: a run compiled for a device. One thread at a time. Keeps run and device (both must
 * outlive it).
 *
 *   batch  images computed at once, >= 1; calls may have any number of them
 *
 * WARD_ERR_ARG for a batch of 0, WARD_ERR_NOMEM. The calls below compile what they need when they
 * first need it: WARD_ERR_DEVICE for what the device cannot do, WARD_ERR_NOMEM. Results of a call
 * that fails may be partly written.
 */
typedef struct ward_session ward_session;

WARD_API WARD_CHECK ward_status ward_session_new(ward_session **out, const ward_run *run,
                                                 ward_device *device, size_t batch);
/* Wipes. NULL is fine. */
WARD_API void ward_session_free(ward_session *session);

/*
 * y = G(x): x and y are [n, channels, height, width] float32, x in the run's range, n of any size;
 * y is x or does not overlap it. WARD_ERR_ARG if the run has no G or a value of x is not finite;
 * WARD_ERR_NUMERIC if one of y is not.
 */
WARD_API WARD_CHECK ward_status ward_session_transform(ward_session *session, size_t n,
                                                       const float *x, float *y);
/*
 * probabilities [n, classes] = softmax F(G(x)), or F(x) if is_raw. WARD_ERR_ARG if G is wanted and
 * missing, or a value of x is not finite; a baseline has only F(x) and takes either.
 * WARD_ERR_NUMERIC if a logit is not finite.
 */
WARD_API WARD_CHECK ward_status ward_session_predict(ward_session *session, size_t n,
                                                     const float *x, bool is_raw,
                                                     float *probabilities);

/*
 * The sheet of the paper's Figure 2 as one RGB picture: a row an image, the raw image, then for
 * each run the processed image and the perturbation times five. Secret, as it shows G.
 *
 *   runs    count of them, 1 .. 8, with G, of one input shape and range
 *   images  [n, c, h, w] in that range, n >= 1
 *   out     owned: ward_image_release(); written only on success. No perturbation is mid-grey
 *
 * WARD_ERR_ARG if the runs do not fit together, have no G, or the sheet would be too large;
 * WARD_ERR_DEVICE, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_figure(const ward_run *const *runs, size_t count,
                                            ward_device *device, size_t n, const float *images,
                                            ward_image *out);

#ifdef __cplusplus
}
#endif
#endif
