/* Any bytes as a key sealed to a TPM, and as a list of PCRs, which has one text only. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tpm/tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void parse_list(const uint8_t *data, size_t len)
{
    char *text, again[TPM_PCRS_TEXT_LEN];
    uint32_t pcrs;

    if (mem_new(&text, len + 1, 1))
        return;
    if (len > 0)
        memcpy(text, data, len);
    if (!tpm_pcrs_parse(text, &pcrs)) {
        tpm_pcrs_format(pcrs, again);
        if (strcmp(text, again) != 0)
            abort();
    }
    mem_free(text);
}

/* What is accepted is neither the beginning nor the continuation of anything that is. */
static void parse_sealed(const uint8_t *data, size_t len)
{
    uint8_t longer[TPM_SEALED_MAX + 1] = {0};
    bool has_pin;

    if (tpm_sealed_has_pin(data, len, &has_pin))
        return;
    if (len > TPM_SEALED_MAX || !tpm_sealed_has_pin(data, len - 1, &has_pin))
        abort();
    memcpy(longer, data, len);
    if (!tpm_sealed_has_pin(longer, len + 1, &has_pin))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    parse_list(data, len);
    parse_sealed(data, len);
    return 0;
}
