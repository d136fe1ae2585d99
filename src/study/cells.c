/* The paper's experiments: see cells.h. */
#include "study/cells.h"

static const struct study_network networks[] = {
    {.data = "mnist", .arch = "simple-cnn", .channels = 1, .seeds = 1},
    {.data = "fashion-mnist", .arch = "simple-cnn", .channels = 1, .seeds = 3, .figure = 'a'},
    {.data = "fashion-mnist", .arch = "resnet20", .channels = 1, .seeds = 2, .is_attacked = true},
    {.data = "cifar10", .arch = "resnet20", .channels = 3, .seeds = 1, .figure = 'b'},
};

enum {
    ADDING = 1 << WARD_METHOD_FIXED | 1 << WARD_METHOD_LEARNED, /* one pattern to every image */
    FITTED = 1 << WARD_METHOD_GENERATOR
};

static const struct study_attack attacks[] = {
    {"direct", 0, ADDING | FITTED, false, "direct"},
    {"input-only", 0, ADDING | FITTED, true, "input-only"},
    {"pair", 0, ADDING, false, "pair, one is subtracted"},
    {"pair", 0.1, FITTED, true, "pair, 10 % of pairs"},
    {"pair", 0.5, FITTED, true, "pair, 50 % of pairs"},
    {"pair", 1, FITTED, true, "pair, 100 % of pairs"},
};

const struct study_network *study_network(size_t i)
{
    return i < sizeof networks / sizeof networks[0] ? &networks[i] : NULL;
}

const struct study_attack *study_attack(size_t i)
{
    return i < sizeof attacks / sizeof attacks[0] ? &attacks[i] : NULL;
}
