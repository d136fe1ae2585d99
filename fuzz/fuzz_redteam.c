/* What the red team has found, which is taken over when it goes on. */
#include "attack/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct record_subject subject = {.model_id = "00ff",
                                                  .arch = "simple-cnn",
                                                  .data = "lamps",
                                                  .device = "cpu",
                                                  .method = WARD_METHOD_GENERATOR};
    ward_redteam_result result = {.settings = {.budget = "quick", .seed = 1},
                                  .test_count = 80,
                                  .choice_count = 8,
                                  .pool_count = 52};
    struct record_facts facts = {.chance = 0.5, .training = 1000};

    if (record_from_json(&result, &subject, &facts, (const char *)data, len) == WARD_OK)
        verdict_make(&result, &subject, &facts, &result.verdict);
    ward_redteam_result_release(&result);
    return 0;
}
