/* Takes the place of chip.c, seal.c and sealed.c in a build without tpm2-tss. */
#include "tpm/tpm.h"

static ward_status absent(void)
{
    return ward_fail(WARD_ERR_DEVICE, "this build of ward cannot use a TPM: it was made without "
                                      "tpm2-tss");
}

bool tpm_is_built_in(void)
{
    return false;
}

ward_status tpm_seal(const struct tpm_access *access, const uint8_t key[TPM_KEY_LEN],
                     struct tpm_sealed *out)
{
    (void)access;
    (void)key;
    (void)out;
    return absent();
}

ward_status tpm_unseal(const struct tpm_access *access, const uint8_t *sealed, size_t len,
                       uint8_t key[TPM_KEY_LEN])
{
    (void)access;
    (void)sealed;
    (void)len;
    (void)key;
    return absent();
}

ward_status tpm_sealed_has_pin(const uint8_t *sealed, size_t len, bool *has_pin)
{
    (void)sealed;
    (void)len;
    (void)has_pin;
    return absent();
}
