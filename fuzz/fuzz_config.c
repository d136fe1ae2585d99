/* The settings of a run: what is taken reads back the same once it was written. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/run_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_and_read(const struct run_config *config)
{
    struct run_config again = {.data = NULL};
    char *text = NULL, *same = NULL;

    if (run_config_to_json(&config->values, &text) != WARD_OK ||
        run_config_from_json(&again, text, strlen(text)) != WARD_OK ||
        run_config_to_json(&again.values, &same) != WARD_OK || strcmp(text, same) != 0)
        abort();
    mem_free(text);
    mem_free(same);
    run_config_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct run_config config = {.data = NULL};

    if (run_config_from_json(&config, (const char *)data, len) == WARD_OK)
        write_and_read(&config);
    run_config_release(&config);
    return 0;
}
