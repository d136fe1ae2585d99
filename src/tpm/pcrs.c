/* Lists of PCRs as text: see tpm.h. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tpm/tpm.h"

static const char BANK[] = "sha256:";

/* The number at *text, which has no sign and no leading zero, or TPM_PCR_COUNT; moves past it. */
static unsigned read_number(const char **text)
{
    const char *digit = *text;
    unsigned number = 0;

    while (*digit >= '0' && *digit <= '9' && number < TPM_PCR_COUNT)
        number = 10 * number + (unsigned)(*digit++ - '0');
    if (digit == *text || (**text == '0' && digit - *text > 1) || number > TPM_PCR_COUNT)
        number = TPM_PCR_COUNT;
    *text = digit;
    return number;
}

ward_status tpm_pcrs_parse(const char *text, uint32_t *pcrs)
{
    const char *rest = text;
    uint32_t set = 0;

    if (strncmp(text, BANK, strlen(BANK)) != 0)
        goto fault;
    rest += strlen(BANK);
    for (;;) {
        unsigned number = read_number(&rest);

        /* Ascending: nothing may be in the set from this number on. */
        if (number == TPM_PCR_COUNT || set >> number != 0)
            goto fault;
        set |= UINT32_C(1) << number;
        if (*rest == '\0')
            break;
        if (*rest++ != ',')
            goto fault;
    }
    *pcrs = set;
    return WARD_OK;
fault:
    return ward_fail(WARD_ERR_ARG,
                     "'%s' is no list of PCRs: \"sha256:\" and numbers from 0 to %d "
                     "in ascending order, as in \"sha256:0,7\"",
                     text, TPM_PCR_COUNT - 1);
}

void tpm_pcrs_format(uint32_t pcrs, char text[TPM_PCRS_TEXT_LEN])
{
    int len = snprintf(text, TPM_PCRS_TEXT_LEN, "%s", BANK);

    assert(pcrs != 0 && pcrs >> TPM_PCR_COUNT == 0);
    for (unsigned number = 0; number < TPM_PCR_COUNT; number++)
        if (pcrs >> number & 1)
            len += snprintf(text + len, (size_t)(TPM_PCRS_TEXT_LEN - len), "%u%s", number,
                            pcrs >> number > 1 ? "," : "");
}
