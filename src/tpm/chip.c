/* Connecting to a TPM, and its errors: see chip.h. */
#include "tpm/chip.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

static const TPMT_SYM_DEF AES_128_CFB = {
    .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};

/*
 * What tpm2-tss tries by itself, but for the simulators on local TCP ports at its end: any user
 * of the machine can offer such a port, and would be handed the key.
 */
static const char *const MACHINE[] = {"tabrmd", "device:/dev/tpmrm0", "device:/dev/tpm0"};

static const struct {
    TPM2_RC error;
    ward_status status;
    const char *text;
} MEANINGS[] = {
    {TPM2_RC_AUTH_FAIL, WARD_ERR_AUTH, "wrong PIN"},
    {TPM2_RC_POLICY_FAIL, WARD_ERR_AUTH, "a PCR has changed since the key was sealed"},
    {TPM2_RC_PCR_CHANGED, WARD_ERR_AUTH, "a PCR changed just now"},
    {TPM2_RC_LOCKOUT, WARD_ERR_DEVICE,
     "the TPM is locked after too many wrong PINs: wait, or have its owner clear the lockout"},
    {TPM2_RC_FAILURE, WARD_ERR_DEVICE,
     "the TPM is in failure mode: restart the machine, and if that does not help, the chip is "
     "broken"},
    {TPM2_RC_INITIALIZE, WARD_ERR_DEVICE, "the TPM has not been started"},
    {TPM2_RC_BAD_AUTH, WARD_ERR_DEVICE, "the TPM's owner hierarchy has a password"},
    {TPM2_RC_OBJECT_MEMORY, WARD_ERR_DEVICE, "the TPM has no memory left for objects"},
    {TPM2_RC_OBJECT_HANDLES, WARD_ERR_DEVICE, "the TPM has no memory left for objects"},
    {TPM2_RC_SESSION_MEMORY, WARD_ERR_DEVICE, "the TPM has no memory left for sessions"},
    {TPM2_RC_SESSION_HANDLES, WARD_ERR_DEVICE, "the TPM has no memory left for sessions"},
    {TPM2_RC_MEMORY, WARD_ERR_DEVICE, "the TPM has no memory left"},
};

/* The library prints its errors where it meets them. Somebody who set the variable wants that. */
static void silence(void)
{
    setenv("TSS2_LOG", "all+none", 0);
}

TPM2_RC chip_error(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK, code = rc & ~TSS2_RC_LAYER_MASK;

    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER)
        return 0;
    return code & TPM2_RC_FMT1 ? code & (TPM2_RC_FMT1 | 0x3f) : code;
}

ward_status chip_fail(TSS2_RC rc, const char *doing)
{
    TPM2_RC error = chip_error(rc);
    unsigned number = (unsigned)rc;

    for (size_t i = 0; error && i < sizeof(MEANINGS) / sizeof(MEANINGS[0]); i++)
        if (MEANINGS[i].error == error)
            return ward_fail(MEANINGS[i].status, "%s", MEANINGS[i].text);
    if (error)
        return ward_fail(WARD_ERR_DEVICE, "the TPM refuses %s: code 0x%x", doing, number);
    if (rc == TSS2_ESYS_RC_MEMORY)
        return ward_fail(WARD_ERR_NOMEM, "out of memory for the TPM's library");
    if ((rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER)
        return ward_fail(WARD_ERR_IO, "lost the TPM while %s: tpm2-tss code 0x%x", doing, number);
    return ward_fail(WARD_ERR_DEVICE, "%s failed: tpm2-tss code 0x%x", doing, number);
}

/* Why there is none among MACHINE, for most users: nothing there, or not for them. */
static ward_status no_machine(void)
{
    static const char *const DEVICE = "/dev/tpmrm0";

    if (access(DEVICE, R_OK | W_OK) == 0)
        return ward_fail(WARD_ERR_IO, "cannot connect to the TPM: '%s' does not open", DEVICE);
    if (errno == ENOENT)
        return ward_fail(WARD_ERR_IO, "this machine has no TPM 2.0 in use: no '%s'", DEVICE);
    return ward_fail(WARD_ERR_IO, "cannot use the TPM: '%s': %s", DEVICE, strerror(errno));
}

static ward_status connect_to(TSS2_TCTI_CONTEXT **out, const char *tcti)
{
    TSS2_RC rc;

    if (!tcti || !*tcti)
        tcti = getenv("TPM2TOOLS_TCTI");
    if (tcti && *tcti) {
        rc = Tss2_TctiLdr_Initialize(tcti, out);
        return rc ? ward_fail(WARD_ERR_IO, "cannot connect to the TPM '%s': tpm2-tss code 0x%x",
                              tcti, (unsigned)rc)
                  : WARD_OK;
    }
    for (size_t i = 0; i < sizeof(MACHINE) / sizeof(MACHINE[0]); i++)
        if (!Tss2_TctiLdr_Initialize(MACHINE[i], out))
            return WARD_OK;
    return no_machine();
}

/*
 * The chip derives the same key each time from the seed of its owner hierarchy. Without NODA a
 * lockout would bar everybody from it.
 */
static ward_status make_storage_key(struct chip *chip)
{
    static const TPM2B_SENSITIVE_CREATE no_sensitive;
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                           TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                                           TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT}};
    TPMS_ECC_PARMS *ecc = &template.publicArea.parameters.eccDetail;
    TSS2_RC rc;

    ecc->symmetric = (TPMT_SYM_DEF_OBJECT){
        .algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
    ecc->scheme.scheme = TPM2_ALG_NULL;
    ecc->curveID = TPM2_ECC_NIST_P256;
    ecc->kdf.scheme = TPM2_ALG_NULL;
    rc = Esys_CreatePrimary(chip->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &no_sensitive, &template, &no_data, &no_pcrs,
                            &chip->storage_key, NULL, NULL, NULL, NULL);
    if (rc)
        return chip_fail(rc, "deriving its storage key");
    chip_keep(chip, chip->storage_key);
    return WARD_OK;
}

/*
 * The library writes to sockets and pipes without a word on SIGPIPE, which ends a program when the
 * other side has hung up. One that came from outside before stays pending.
 */
static void block_sigpipe(struct chip *chip)
{
    sigset_t sigpipe, pending;

    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE))
        return;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    chip->blocks_sigpipe = pthread_sigmask(SIG_BLOCK, &sigpipe, &chip->signals) == 0;
}

static void unblock_sigpipe(struct chip *chip)
{
    const struct timespec at_once = {0, 0};
    sigset_t sigpipe;

    if (!chip->blocks_sigpipe)
        return;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    while (sigtimedwait(&sigpipe, NULL, &at_once) == SIGPIPE)
        continue;
    pthread_sigmask(SIG_SETMASK, &chip->signals, NULL);
    chip->blocks_sigpipe = false;
}

ward_status chip_open(struct chip *chip, const char *tcti)
{
    static pthread_once_t silenced = PTHREAD_ONCE_INIT;
    struct chip opened = {.handle_count = 0};
    ward_status st;
    TSS2_RC rc;

    pthread_once(&silenced, silence);
    block_sigpipe(&opened);
    st = connect_to(&opened.tcti, tcti);
    if (st)
        goto done;
    rc = Esys_Initialize(&opened.esys, opened.tcti, NULL);
    if (rc) {
        st = chip_fail(rc, "starting to use the TPM");
        goto done;
    }
    st = make_storage_key(&opened);
    if (!st)
        st = chip_start_session(&opened, TPM2_SE_HMAC, &opened.session);
    if (st)
        goto done;
    *chip = opened;
    opened = (struct chip){.handle_count = 0};
done:
    chip_close(&opened);
    return st;
}

/* A flush that fails leaves nothing to be done: the chip is gone, or has lost its memory anyway. */
void chip_close(struct chip *chip)
{
    while (chip->handle_count > 0)
        (void)Esys_FlushContext(chip->esys, chip->handles[--chip->handle_count]);
    if (chip->esys)
        Esys_Finalize(&chip->esys);
    if (chip->tcti)
        Tss2_TctiLdr_Finalize(&chip->tcti);
    unblock_sigpipe(chip);
}

void chip_keep(struct chip *chip, ESYS_TR handle)
{
    assert(chip->handle_count < CHIP_HANDLES);
    chip->handles[chip->handle_count++] = handle;
}

ward_status chip_start_session(struct chip *chip, TPM2_SE type, ESYS_TR *session)
{
    const TPMA_SESSION flags =
        TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    TSS2_RC rc;

    rc = Esys_StartAuthSession(chip->esys, chip->storage_key, ESYS_TR_NONE, ESYS_TR_NONE,
                               ESYS_TR_NONE, ESYS_TR_NONE, NULL, type, &AES_128_CFB,
                               TPM2_ALG_SHA256, session);
    if (rc)
        return chip_fail(rc, "starting a session");
    chip_keep(chip, *session);
    rc = Esys_TRSess_SetAttributes(chip->esys, *session, flags, 0xff);
    return rc ? chip_fail(rc, "encrypting a session") : WARD_OK;
}

void chip_overwrite_buffer(struct chip *chip)
{
    TPM2B_DIGEST *random = NULL;

    if (!Esys_GetRandom(chip->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                        sizeof(random->buffer), &random))
        Esys_Free(random);
}
