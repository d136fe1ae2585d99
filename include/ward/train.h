/*
 * Training a protected network: F and its secret transform G together (Chen & Wu, equation 3).
 *
 * A training writes a run, a directory with
 *   model.safetensors  F, public: weights under PyTorch's names, and what they expect as input
 *   transform.ward     G, secret, sealed if the settings name an owner (not for method baseline)
 *   checkpoint.ward    likewise: all that resuming needs; removed when training is complete
 *   metrics.jsonl      one JSON object a line
 *   config.json        every setting as resolved; secret if secret_seed was given, which it holds
 */
#ifndef WARD_TRAIN_H
#define WARD_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/device.h"
#include "ward/key.h"
#include "ward/method.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ward_schedule {
    WARD_SCHEDULE_STEP,    /* rate / 10 every rate_drop_every iterations */
    WARD_SCHEDULE_ONECYCLE /* linear warm-up, then a cosine down to zero */
} ward_schedule;

typedef enum ward_objective {
    WARD_OBJECTIVE_PAPER, /* equation 3: raw images get wrong answers */
    WARD_OBJECTIVE_CHANCE /* raw images, and images under wrong keys, get equal probabilities */
} ward_objective;

/*
 * Every setting of a training. Fill it with ward_train_defaults(), then change what is wanted.
 * Strings are borrowed for the call that takes the structure. ward_train() refuses what is out of
 * range (WARD_ERR_ARG); weights and rates without a range here are 0 .. 1e6, whole numbers are
 * below 2^63. What belongs to another method, objective or schedule is ignored, unless it says
 * otherwise.
 */
typedef struct ward_train_config {
    const char *data; /* a data set as ward_dataset_open() takes it */
    /*
     * "simple-cnn", "resnet20" (resnetN with N = 6n + 2, 8 .. 1202), "mlp-1024x2" or
     * "mlp-1024x4-residual" (mlp-WIDTHxDEPTH, 1 .. 8192, 1 .. 16), "mixer-4x128x4"
     * (mixer-PATCHxCHANNELSxDEPTH, 1 .. 32, 1 .. 2048, 1 .. 16, of square images that the patches
     * fill); with "-leaky" after it leaky ReLU for ReLU. NULL: as `from`.
     */
    const char *arch;
    ward_method method;
    const char *recipe; /* "paper", "fast" or "demo": where the values below came from */
    /*
     * What F starts from: an ONNX file (see ward/onnx.h), a model.safetensors or a run directory;
     * NULL: from nothing. Batch norm that was folded away is calibrated on training images.
     */
    const char *from;
    /* SHA-256 of that file, 64 hex digits, if it must be the same one; NULL: any. Stored, so that
     * resuming starts from the same. */
    const char *from_digest;

    uint64_t iterations; /* 1 .. 2^32 - 1 */
    size_t batch;        /* images a step, 1 .. 65536 */
    ward_schedule schedule;
    double rate;              /* learning rate: at the start (step), at the peak (onecycle) */
    uint64_t rate_drop_every; /* step: iterations, at least 1 */
    double warmup;            /* onecycle: share of the iterations, 0 <= warmup < 1 */
    double momentum;          /* 0 <= momentum < 1 */
    bool nesterov;
    double weight_decay;          /* of F */
    bool decays_all;              /* biases and batch norm too, not weights only */
    double transform_rate_factor; /* G's learning rate relative to F's */
    double transform_decay;       /* G's weight decay */
    /* Gradients of F, all together, are scaled down to this L2 norm, and those of G likewise; 0:
     * never. */
    double clip_norm;

    ward_objective objective;
    double alpha, beta, gamma; /* equation 3; chance: beta is the weight of KL(U || q(x_r)) */
    double raw_share;          /* share of the batch that is also shown raw, 0 .. 1 */
    /*
     * Paper: share of the iterations, the first ones, in which raw images are trained towards equal
     * probabilities (beta times KL(U || q)) instead of E_r, 0 .. 1. Without it E_r may settle where
     * every raw image gets the same class. Chance: none, whatever stands here.
     */
    double raw_warmup;
    bool separates_bn; /* processed and raw rows have batch-norm statistics of their own */

    /*
     * Chance: after the last step F's last layer is made anew, orthogonal to this share of the
     * principal axes of raw images' features and, with keyed, to as many of images under random
     * keys, 0 .. 0.5, so that its small differences between them tell little of their class (after
     * Ravfogel et al. 2020). Half of these axes, the first ones, or a quarter and so on, if more
     * than 2 % of processed training images would be given another class. What is left of the whole
     * share has to be as many features as classes or more. Then what its answers to raw images
     * still tell is lowered by a criterion of independence (Gretton et al. 2005). 0: neither.
     * Paper: 0.
     */
    double erased_axes;

    /* Chance: share of the batch that is also shown under a wrong key, 0 .. 1; paper, and methods
     * that have no keys: 0. */
    double wrong_share;
    double wrong_weight; /* chance: of KL(U || q) of these */

    /*
     * Share of the rows shown raw, 0 .. 1, that are shown as one of the last simulated adversaries
     * made them, while F is also trained to refuse raw images after it was fine-tuned on others. 0:
     * none are simulated. Needs raw rows. With the defaults of the next two, keyed and
     * convolutional networks take at most 4 times the operations.
     */
    double harden;
    size_t harden_steps;   /* that an adversary trains for, 5 .. 20 */
    uint64_t harden_every; /* iterations from one adversary to the next, at least 1 */

    double sigma, p; /* fixed: sigma > 0, p 0 .. 0.5; keyed likewise, sigma 0: no pattern */
    /* Generator, or keyed with a residual: hidden channels, at most 1024; 0: 16, or 64 for colour
     * images. */
    size_t generator_width;
    /* Learned: standard deviation of the starting pattern; generator, or keyed with a residual:
     * factor on the starting weights of the last layer. */
    double start;
    bool has_front;               /* keyed: a small convolutional network first */
    size_t front_width;           /* keyed: channels of its first layer, 1 .. 256 */
    ward_coordinates coordinates; /* keyed */
    size_t rounds;                /* keyed: of a cascade, 4 .. 16 */
    size_t codebook;              /* keyed: bits that choose a pattern, 1 .. 64; 0: none */
    size_t shuffle;               /* keyed: side of the blocks that change places; 0: none */
    double negative;              /* keyed: share of mirrored values, 0 .. 1 */
    bool has_residual;            /* keyed: a generator last */

    /* A run, or its network, whose answers on the same raw images F learns as well: the owner's
     * baseline. NULL: none. */
    const char *teacher;
    /* SHA-256 of its file, 64 hex digits, if it must be the same one; NULL: any. Stored, so that
     * resuming goes on with the same. */
    const char *teacher_digest;
    /* `splits` of the teacher's own training, if it is known to have had the same share of the same
     * images as F. Found out when a training starts, whatever stands here, and stored. */
    const char *teacher_splits;
    double teacher_weight; /* of the cross entropy with its answers */
    double temperature;    /* that softens both, 0.1 .. 1000 */

    bool is_clamped; /* x_p is clamped to the input's range */

    /*
     * "redteam": train on 65 % of the training images and leave the rest to ward_redteam(), so that
     * an adversary can be given images that F has never seen. Not with validation. NULL: train on
     * all.
     */
    const char *splits;
    size_t validation;       /* training images held out for validation; 0: none */
    uint64_t validate_every; /* iterations; 0: at the end only */
    uint64_t seed;           /* public: initial weights, order, augmentation, dropout */
    /* 32 bytes that G is drawn from; NULL: the system's random numbers. Given, the run is marked as
     * not secret (for reproducing a result). */
    const uint8_t *secret_seed;
    /* Keyed: fingerprint of the lock key (ward_train_options) that G follows from, if it must be
     * that one; NULL: of any, or of none. Stored. */
    const char *lock;
    double checkpoint_seconds; /* between checkpoints */

    /*
     * Public key (ward/key.h) that G and checkpoints are sealed to; NULL: to none, they are plain
     * files of mode 0600. Goes neither with a baseline nor with a secret_seed: there is no secret.
     */
    const char *owner;
    /* Public keys of users that the finished G is sealed to as well, with a blank between; NULL:
     * none. Needs an owner. */
    const char *recipients;
    /*
     * A run whose transform has leaked: every other row that is shown raw is processed by it, so
     * that it becomes worth no more than none. NULL: none. Needs two raw rows.
     */
    const char *leaked;
} ward_train_config;

/*
 * Fill in a recipe for a data set, an architecture and a method.
 *
 *   config      written only on success; keeps data and arch as given
 *   recipe      "paper"  exactly as printed: 40,000 iterations, rate 0.1, / 10 every 10,000
 *               "fast"   8,000 iterations in one cycle; 20,000 for cifar10, which needs them
 *               "demo"   1,400: less than a minute for simple-cnn on two idle cores
 *               With method keyed each has the lock that docs/locks.md recommends.
 *   data, arch  borrowed; data NULL: none in particular; arch NULL: as `from`, or with method keyed
 *               the network that suits it
 *
 * WARD_ERR_ARG for an unknown recipe.
 */
WARD_API WARD_CHECK ward_status ward_train_defaults(ward_train_config *config, const char *recipe,
                                                    const char *data, const char *arch,
                                                    ward_method method);

/* What a progress callback is told. Of raw images, a negative number says that none are shown. */
typedef struct ward_train_progress {
    uint64_t iteration, iterations;
    double loss_processed, loss_raw; /* running means over about a hundred steps */
    double loss_wrong;               /* of images under wrong keys; negative: none are shown */
    double accuracy_processed, accuracy_raw;     /* on training batches, likewise; fractions */
    double validation_processed, validation_raw; /* last validation; negative: none yet */
    double images_per_second;
    double seconds_left;
    const char *event; /* NULL, or one line: "resumed at iteration 300", "checkpoint written" */
} ward_train_progress;

/* Return false to stop: a checkpoint is written and ward_train() returns WARD_ERR_STOPPED. Called
 * from the training thread, before the first and after every iteration, and, if axes were erased,
 * after the network was written and, where images are held out, validated again; must be quick.
 * After the last iteration it is too late to stop. */
typedef bool ward_train_callback(void *context, const ward_train_progress *progress);

typedef struct ward_train_options {
    const char *out; /* the run directory; created */
    /* Continue a run that is there (from its checkpoint, bit for bit, with the settings stored in
     * it; config may be NULL), or start it if it is not there. */
    bool is_resumed;
    bool replaces;                 /* start afresh in a directory that already holds a run */
    ward_train_callback *progress; /* may be NULL */
    void *context;
    ward_keys *keys; /* to open a sealed checkpoint with; NULL: none */
    /*
     * Whose first key file is a lock key that the G of a new run of method keyed follows from: the
     * same settings and name of the data set give the same key, wherever files lie and whoever may
     * open the run. NULL: G is drawn from the system's random numbers. A run that was stopped
     * before its first checkpoint needs it again.
     */
    ward_keys *lock;
    /*
     * May be NULL. Called with `context` for a new training whose G is a secret and whose settings
     * name no owner, once all else was found right and before anything is written. Gives the
     * owner's public key, from malloc() or the library, which is freed by ward_string_free(). NULL:
     * seal to none.
     */
    ward_status (*owner)(void *context, char **public_key);
} ward_train_options;

/*
 * Train. The same configuration, device, build, processor features and number of threads give the
 * same bytes, however often the training was stopped and resumed.
 *
 *   device   borrowed; "cpu", or "ref" for very small cases
 *   config   borrowed; NULL only when resuming
 *   options  borrowed
 *
 * Returns WARD_OK; WARD_ERR_ARG contradictory settings or a resume with other settings than the
 * run's; WARD_ERR_EXISTS the directory holds a run and neither resuming nor replacing was asked
 * for; WARD_ERR_BUSY another process trains in it; WARD_ERR_STOPPED; WARD_ERR_NUMERIC the loss is
 * not finite (the last checkpoint is kept); WARD_ERR_AUTH a checkpoint that the keys do not open;
 * WARD_ERR_IO, WARD_ERR_FORMAT of data or run; WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_train(ward_device *device, const ward_train_config *config,
                                           const ward_train_options *options);

/* The answer to a transform that has leaked. All borrowed for the call. */
typedef struct ward_relock_options {
    const char *run; /* what is relocked; it stays as it is */
    const char *out; /* the run that is made */
    ward_keys *keys; /* the owner's: open the old run, seal the new one */
    /* A user, by public key or name, who does not get the new transform; NULL: all users of a
     * sealed run get it. */
    const char *without;
    uint64_t iterations;           /* 0: a quarter of the run's own, all of a relocked one's */
    double rate;                   /* 0: the run's own */
    ward_train_callback *progress; /* may be NULL */
    void *context;
} ward_relock_options;

/* What it came to, accuracies on the test images as fractions. */
typedef struct ward_relock_result {
    double old_transform; /* of the new F with the old G: what a leaked G is still worth */
    double authorised, unauthorised, chance;
    size_t count; /* test images */
} ward_relock_result;

/*
 * Draw a new G and train F on with it, with the settings of the run, from its F, while the old G is
 * shown as `leaked`. Called again after it was stopped, it goes on.
 *
 * Users keep the names and terms that they had when it was called; whoever is revoked from the old
 * run before it returns is left out, unless that run is in use or cannot be read then. A new run
 * that is signed already keeps its own.
 *
 *   device, options  borrowed
 *   out              written only on success
 *
 * WARD_ERR_ARG for a run without G, if `out` is the run itself, or if `without` is on no list;
 * WARD_ERR_EXISTS if what is there was begun for other users; otherwise as ward_train(),
 * ward_run_open_with() and ward_run_seal().
 */
WARD_API WARD_CHECK ward_status ward_relock(ward_device *device, const ward_relock_options *options,
                                            ward_relock_result *out);

#ifdef __cplusplus
}
#endif
#endif
