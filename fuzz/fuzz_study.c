/* What is kept of a figure in the state directory of a reproduction. */
#include <stdlib.h>

#include "study/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char name[] = "run";
    static const struct study_run run = {.name = name, .model_id = "0f"};
    struct study_figure figure = {.runs = {&run, &run, &run}};

    if (study_parse_facts(&figure, (const char *)data, len) == WARD_OK &&
        !(figure.rms[2] <= figure.max[2]))
        abort();
    return 0;
}
