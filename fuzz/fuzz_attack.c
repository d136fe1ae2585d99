/* The file of an attack, whose trials are taken over when it goes on: with fitting, and without. */
#include "attack/campaign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct subject subject = {.model_id = "00ff",
                                       .arch = "simple-cnn",
                                       .data = "lamps",
                                       .device = "cpu",
                                       .method = WARD_METHOD_GENERATOR,
                                       .count = 80,
                                       .classes = 2};

static void read_as(const ward_attack_settings *settings, size_t pair_count, const uint8_t *data,
                    size_t len)
{
    ward_attack_result result = {.settings = *settings, .chance = 0.5, .pair_count = pair_count};

    if (result_from_json(&result, &subject, (const char *)data, len) == WARD_OK)
        ward_attack_result_release(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const unsigned drawn = WARD_ATTACK_USES_TRIALS | WARD_ATTACK_USES_SEED;
    const ward_attack_settings pair = {
        .attack = "pair",
        .uses = drawn | WARD_ATTACK_USES_PAIRS | WARD_ATTACK_USES_FIT,
        .seed = 1,
        .pairs = 0.5,
        .steps = 1000,
        .rate = 0.01,
    };
    const ward_attack_settings patterns = {.attack = "input-only",
                                           .uses = drawn | WARD_ATTACK_USES_PATTERN,
                                           .seed = 1,
                                           .sigma = 0.1,
                                           .p = 0.2};

    read_as(&pair, 40, data, len);
    read_as(&patterns, 0, data, len);
    return 0;
}
