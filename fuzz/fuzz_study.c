/* What is kept in the state directory of a reproduction: of a figure, and of a run whose network is
 * gone. */
#include <stdlib.h>
#include <string.h>

#include "study/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char name[] = "run", recipe[] = "fast";

static void read_facts(const char *text, size_t len)
{
    const struct study_run run = {.name = name, .model_id = "0f"};
    struct study_figure figure = {.runs = {&run, &run, &run}};

    if (study_parse_facts(&figure, text, len) == WARD_OK && !(figure.rms[2] <= figure.max[2]))
        abort();
}

static bool is_fraction(double value)
{
    return value >= 0 && value <= 1;
}

static void read_record(const char *text, size_t len)
{
    const struct study study = {.recipe = recipe, .iterations = 3};
    struct study_run run = {
        .name = name, .network = study_network(0), .method = WARD_METHOD_FIXED, .seed = 1};

    if (study_parse_record(&study, &run, text, len) == WARD_OK &&
        !(is_fraction(run.evaluation.authorised) && is_fraction(run.evaluation.unauthorised) &&
          strlen(run.model_id) == MODEL_ID_LEN))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    read_facts((const char *)data, len);
    read_record((const char *)data, len);
    return 0;
}
