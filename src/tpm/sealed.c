/* The bytes of a sealed key: see tpm.h. */
#include "tpm/sealed.h"

#include <string.h>
#include <tss2/tss2_mu.h>

TPM2B_PUBLIC sealed_template(bool has_pin, const TPM2B_DIGEST *policy)
{
    TPM2B_PUBLIC public = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT,
                       .authPolicy = *policy}};

    public.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    /* Where there is nothing to guess, a lockout after wrong guesses at other keys has no say. */
    if (!has_pin)
    public.publicArea.objectAttributes |= TPMA_OBJECT_NODA;
    return public;
}

bool sealed_has_pin(const TPM2B_PUBLIC *public)
{
    return !(public->publicArea.objectAttributes & TPMA_OBJECT_NODA);
}

ward_status sealed_write(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
                         struct tpm_sealed *out)
{
    struct tpm_sealed sealed = {.len = 0};
    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal(public, sealed.bytes, TPM_SEALED_MAX, &sealed.len);

    if (!rc)
        rc = Tss2_MU_TPM2B_PRIVATE_Marshal(private, sealed.bytes, TPM_SEALED_MAX, &sealed.len);
    if (rc)
        return ward_fail(WARD_ERR_DEVICE, "the TPM seals to more than %d bytes", TPM_SEALED_MAX);
    *out = sealed;
    return WARD_OK;
}

/* Both parts, with no byte left. tpm2-tss wants the parts to be zero before it reads into them. */
static bool unmarshal(const uint8_t *bytes, size_t len, TPM2B_PUBLIC *public,
                      TPM2B_PRIVATE *private)
{
    size_t pos = 0;

    memset(public, 0, sizeof(*public));
    memset(private, 0, sizeof(*private));
    return len <= TPM_SEALED_MAX && !Tss2_MU_TPM2B_PUBLIC_Unmarshal(bytes, len, &pos, public) &&
           !Tss2_MU_TPM2B_PRIVATE_Unmarshal(bytes, len, &pos, private) && pos == len;
}

/* Whether the bytes are those that the fields free to choose lead to. */
static bool is_canonical(const uint8_t *bytes, size_t len, const TPM2B_PUBLIC *public,
                         const TPM2B_PRIVATE *private)
{
    const TPMT_PUBLIC *area = &public->publicArea;
    TPM2B_PUBLIC expected;
    struct tpm_sealed again;

    if (area->type != TPM2_ALG_KEYEDHASH || area->authPolicy.size != TPM2_SHA256_DIGEST_SIZE ||
        area->unique.keyedHash.size != TPM2_SHA256_DIGEST_SIZE)
        return false;
    expected = sealed_template(sealed_has_pin(public), &area->authPolicy);
    expected.publicArea.unique.keyedHash = area->unique.keyedHash;
    return !sealed_write(&expected, private, &again) && again.len == len &&
           memcmp(again.bytes, bytes, len) == 0;
}

ward_status sealed_read(const uint8_t *bytes, size_t len, TPM2B_PUBLIC *public,
                        TPM2B_PRIVATE *private)
{
    if (!unmarshal(bytes, len, public, private) || !is_canonical(bytes, len, public, private))
        return ward_fail(WARD_ERR_FORMAT, "%zu bytes are not a key that was sealed to a TPM", len);
    return WARD_OK;
}

ward_status tpm_sealed_has_pin(const uint8_t *sealed, size_t len, bool *has_pin)
{
    TPM2B_PUBLIC public;
    TPM2B_PRIVATE private;
    ward_status st = sealed_read(sealed, len, &public, &private);

    if (!st)
        *has_pin = sealed_has_pin(&public);
    return st;
}
