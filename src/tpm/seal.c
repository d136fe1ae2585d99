/* Sealing and unsealing: see tpm.h. */
#include <string.h>

#include "base/mem.h"
#include "tpm/chip.h"
#include "tpm/sealed.h"

bool tpm_is_built_in(void)
{
    return true;
}

static ward_status check_access(const struct tpm_access *access)
{
    if (access->pcrs == 0 || access->pcrs >> TPM_PCR_COUNT != 0)
        return ward_fail(WARD_ERR_ARG, "0x%x is no set of PCRs from 0 to %d",
                         (unsigned)access->pcrs, TPM_PCR_COUNT - 1);
    /* The chip's own limit; and it takes zeros at the end of a PIN for nothing. */
    if (access->pin && (access->pin_len == 0 || access->pin_len > TPM_PIN_MAX ||
                        memchr(access->pin, 0, access->pin_len)))
        return ward_fail(WARD_ERR_ARG, "a PIN has 1 to %d bytes, none of them zero", TPM_PIN_MAX);
    return WARD_OK;
}

static TPML_PCR_SELECTION selection_of(uint32_t pcrs)
{
    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = {{.hash = TPM2_ALG_SHA256,
                           .sizeofSelect = TPM_PCR_COUNT / 8,
                           .pcrSelect = {pcrs & 0xff, pcrs >> 8 & 0xff, pcrs >> 16 & 0xff}}}};
}

/* A chip silently drops PCRs that it does not have from a policy, which would then bind nothing. */
static ward_status check_bank(struct chip *chip, uint32_t pcrs)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    uint32_t present = 0;
    TSS2_RC rc = Esys_GetCapability(chip->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                    TPM2_CAP_PCRS, 0, 1, NULL, &data);

    if (rc)
        return chip_fail(rc, "listing its PCRs");
    for (uint32_t i = 0; i < data->data.assignedPCR.count; i++) {
        const TPMS_PCR_SELECTION *bank = &data->data.assignedPCR.pcrSelections[i];

        for (unsigned byte = 0;
             bank->hash == TPM2_ALG_SHA256 && byte < bank->sizeofSelect && byte < sizeof(present);
             byte++)
            present |= (uint32_t)bank->pcrSelect[byte] << 8 * byte;
    }
    Esys_Free(data);
    if (pcrs & ~present) {
        char text[TPM_PCRS_TEXT_LEN];

        tpm_pcrs_format(pcrs & ~present, text);
        return ward_fail(WARD_ERR_DEVICE, "the TPM does not have the PCRs %s", text);
    }
    return WARD_OK;
}

/* Start the policy session and take it through the policy, with the PCRs as they are now. */
static ward_status follow_policy(struct chip *chip, TPM2_SE type, const struct tpm_access *access,
                                 TPM2B_DIGEST *digest)
{
    static const TPM2B_DIGEST as_they_are;
    TPML_PCR_SELECTION selection = selection_of(access->pcrs);
    TPM2B_DIGEST *reached = NULL;
    ESYS_TR session;
    TSS2_RC rc;
    ward_status st = chip_start_session(chip, type, &chip->policy_session);

    if (st)
        return st;
    session = chip->policy_session;
    rc = Esys_PolicyPCR(chip->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &as_they_are,
                        &selection);
    if (!rc && access->pin)
        rc = Esys_PolicyAuthValue(chip->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE);
    if (!rc)
        rc = Esys_PolicyGetDigest(chip->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &reached);
    if (rc)
        return chip_fail(rc, "a policy of PCRs");
    *digest = *reached;
    Esys_Free(reached);
    return WARD_OK;
}

static TPM2B_AUTH auth_of(const struct tpm_access *access)
{
    TPM2B_AUTH auth = {.size = 0};

    if (access->pin) {
        memcpy(auth.buffer, access->pin, access->pin_len);
        auth.size = (UINT16)access->pin_len;
    }
    return auth;
}

/*
 * The library keeps what it was last told to create until it is told the next. That comes to
 * nothing here: two sessions cannot both encrypt.
 */
static void forget_sensitive(struct chip *chip)
{
    static const TPM2B_SENSITIVE_CREATE nothing;
    static const TPM2B_PUBLIC no_public;
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;

    (void)Esys_Create_Async(chip->esys, chip->storage_key, chip->session, chip->policy_session,
                            ESYS_TR_NONE, &nothing, &no_public, &no_data, &no_pcrs);
}

static ward_status create(struct chip *chip, const struct tpm_access *access,
                          const uint8_t key[TPM_KEY_LEN], const TPM2B_DIGEST *policy,
                          struct tpm_sealed *out)
{
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_PUBLIC template = sealed_template(access->pin != NULL, policy), *public = NULL;
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive = {.userAuth = auth_of(access)}};
    TPM2B_PRIVATE *private = NULL;
    TSS2_RC rc;
    ward_status st;

    memcpy(sensitive.sensitive.data.buffer, key, TPM_KEY_LEN);
    sensitive.sensitive.data.size = TPM_KEY_LEN;
    rc =
        Esys_Create(chip->esys, chip->storage_key, chip->session, ESYS_TR_NONE, ESYS_TR_NONE,
                    &sensitive, &template, &no_data, &no_pcrs, &private, &public, NULL, NULL, NULL);
    st = rc ? chip_fail(rc, "sealing a key") : sealed_write(public, private, out);
    forget_sensitive(chip);
    mem_wipe(&sensitive, sizeof(sensitive));
    Esys_Free(private);
    Esys_Free(public);
    return st;
}

ward_status tpm_seal(const struct tpm_access *access, const uint8_t key[TPM_KEY_LEN],
                     struct tpm_sealed *out)
{
    struct chip chip = {.handle_count = 0};
    TPM2B_DIGEST policy;
    ward_status st = check_access(access);

    if (!st)
        st = chip_open(&chip, access->tcti);
    if (!st)
        st = check_bank(&chip, access->pcrs);
    if (!st)
        st = follow_policy(&chip, TPM2_SE_TRIAL, access, &policy);
    if (!st)
        st = create(&chip, access, key, &policy, out);
    chip_close(&chip);
    return st;
}

/*
 * What the chip says to any change of the bytes, and to those of another chip, is an error of a
 * parameter; which one depends on where the change is.
 */
static ward_status load(struct chip *chip, const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
                        ESYS_TR *object)
{
    TSS2_RC rc = Esys_Load(chip->esys, chip->storage_key, chip->session, ESYS_TR_NONE, ESYS_TR_NONE,
                           private, public, object);

    if (chip_error(rc) & TPM2_RC_FMT1 && rc & TPM2_RC_P)
        return ward_fail(WARD_ERR_AUTH, "sealed by another TPM, or before this one was cleared, "
                                        "or altered since");
    if (rc)
        return chip_fail(rc, "loading a sealed key");
    chip_keep(chip, *object);
    return WARD_OK;
}

/* Known to be the chip's own by now: load() has shown that nobody altered public. */
static ward_status check_pin_is_wanted(const struct tpm_access *access, const TPM2B_PUBLIC *public)
{
    if (sealed_has_pin(public) && !access->pin)
        return ward_fail(WARD_ERR_AUTH, "the sealed key has a PIN, and none was given");
    if (!sealed_has_pin(public) && access->pin)
        return ward_fail(WARD_ERR_ARG, "a PIN was given, but the sealed key has none");
    return WARD_OK;
}

/* Before the chip is asked for the key: it might count that as a wrong PIN, or say it is locked. */
static ward_status check_policy(const TPM2B_DIGEST *reached, const TPM2B_DIGEST *wanted)
{
    if (reached->size != wanted->size || memcmp(reached->buffer, wanted->buffer, wanted->size) != 0)
        return chip_fail(TPM2_RC_POLICY_FAIL, "unsealing a key");
    return WARD_OK;
}

/*
 * The library keeps the PIN with the object and with the session that it was last used in, and the
 * key in its buffer of answers. The second call puts another PIN there and comes to nothing, as in
 * forget_sensitive(); the chip does not see it.
 */
static void forget_secrets(struct chip *chip, ESYS_TR object)
{
    TPM2B_AUTH filler = {.size = TPM_PIN_MAX};

    memset(filler.buffer, 0xff, sizeof(filler.buffer));
    (void)Esys_TR_SetAuth(chip->esys, object, &filler);
    (void)Esys_Unseal_Async(chip->esys, object, chip->policy_session, chip->session, ESYS_TR_NONE);
    chip_overwrite_buffer(chip);
}

static ward_status unseal(struct chip *chip, const struct tpm_access *access, ESYS_TR object,
                          uint8_t key[TPM_KEY_LEN])
{
    TPM2B_AUTH auth = auth_of(access);
    TPM2B_SENSITIVE_DATA *data = NULL;
    ward_status st = WARD_OK;
    TSS2_RC rc = Esys_TR_SetAuth(chip->esys, object, &auth);

    if (!rc)
        rc = Esys_Unseal(chip->esys, object, chip->policy_session, ESYS_TR_NONE, ESYS_TR_NONE,
                         &data);
    if (rc)
        st = chip_fail(rc, "unsealing a key");
    else if (data->size != TPM_KEY_LEN)
        st = ward_fail(WARD_ERR_FORMAT, "%u bytes are sealed instead of %d", (unsigned)data->size,
                       TPM_KEY_LEN);
    else
        memcpy(key, data->buffer, TPM_KEY_LEN);
    forget_secrets(chip, object);
    if (data)
        mem_wipe(data, sizeof(*data));
    Esys_Free(data);
    mem_wipe(&auth, sizeof(auth));
    return st;
}

ward_status tpm_unseal(const struct tpm_access *access, const uint8_t *sealed, size_t len,
                       uint8_t key[TPM_KEY_LEN])
{
    struct chip chip = {.handle_count = 0};
    TPM2B_PUBLIC public;
    TPM2B_PRIVATE private;
    TPM2B_DIGEST policy;
    ESYS_TR object;
    ward_status st = check_access(access);

    if (!st)
        st = sealed_read(sealed, len, &public, &private);
    if (!st)
        st = chip_open(&chip, access->tcti);
    if (!st)
        st = load(&chip, &public, &private, &object);
    if (!st)
        st = check_pin_is_wanted(access, &public);
    if (!st)
        st = follow_policy(&chip, TPM2_SE_POLICY, access, &policy);
    if (!st)
        st = check_policy(&policy, &public.publicArea.authPolicy);
    if (!st)
        st = unseal(&chip, access, object, key);
    chip_close(&chip);
    return st;
}
