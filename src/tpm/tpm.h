/*
 * 32 secret bytes sealed to the machine's TPM 2.0: only the same chip gives them back, while chosen
 * PCRs (what the machine was started with) are as they were, and to one who knows the PIN if there
 * is one. What is sealed leaves the chip as bytes that are no secret. Not for larger secrets: seal
 * a key, and encrypt them with it.
 *
 * A key and a PIN cross the bus encrypted, in sessions salted with the chip's own key. That stops
 * who listens on the bus; it does not stop who takes the chip's place while a key is being sealed.
 *
 * A sealed key is a TPM2B_PUBLIC followed by a TPM2B_PRIVATE, as the TPM 2.0 library marshals them:
 *
 *   public     a sealed data object (TPM_ALG_KEYEDHASH, scheme null), name algorithm SHA-256, with
 *              the attributes fixedTPM, fixedParent and, if there is no PIN, noDA, and no others;
 *              its policy is PolicyPCR, then PolicyAuthValue if there is a PIN
 *   private    for the chip only: under a P-256 storage key that it derives again each time
 *              in its owner hierarchy, so that nothing is kept in the chip
 *
 * A build without tpm2-tss has the same functions; all but those on lists of PCRs then fail with
 * WARD_ERR_DEVICE. Any thread may call any of them. The first call that needs the chip sets
 * TSS2_LOG in the environment unless it is set, for that library prints its errors.
 */
#ifndef TPM_TPM_H
#define TPM_TPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    TPM_KEY_LEN = 32,
    TPM_PIN_MAX = 32,      /* bytes */
    TPM_SEALED_MAX = 1024, /* bytes; about 240 in fact */
    TPM_PCR_COUNT = 24,
    TPM_PCRS_TEXT_LEN = 72 /* the longest list with its NUL, rounded up */
};

/* A key as the chip has sealed it; no secret. */
struct tpm_sealed {
    uint8_t bytes[TPM_SEALED_MAX];
    size_t len;
};

/* What it takes to reach a sealed key. Everything is borrowed for the call. */
struct tpm_access {
    const char *tcti;   /* which chip, as tpm2-tss spells it ("device:/dev/tpmrm0"); NULL: what
                           TPM2TOOLS_TCTI says, else the machine's own */
    uint32_t pcrs;      /* a set of PCRs of the SHA-256 bank, bit i for PCR i; not empty */
    const uint8_t *pin; /* pin_len bytes, 1 .. TPM_PIN_MAX, none of them 0; NULL: no PIN */
    size_t pin_len;
};

bool tpm_is_built_in(void);

/*
 * A list of PCRs as text: "sha256:" and their numbers, ascending, in decimal, with commas between.
 * There is one text for each set. WARD_ERR_ARG quotes a text that is none, or names no PCR.
 */
WARD_CHECK ward_status tpm_pcrs_parse(const char *text, uint32_t *pcrs);
void tpm_pcrs_format(uint32_t pcrs, char text[TPM_PCRS_TEXT_LEN]);

/*
 * Seal a key to the chip and to the present values of access->pcrs. *out is written only on
 * success.
 *
 *   WARD_ERR_ARG     the PIN has a length or a byte it must not have, or pcrs is no set of PCRs
 *   WARD_ERR_IO      there is no chip, or none that answers, or this user may not use it
 *   WARD_ERR_DEVICE  the chip lacks one of the PCRs, is in failure mode, has no memory left, or
 *                    refuses for another reason, which the message has
 */
WARD_CHECK ward_status tpm_seal(const struct tpm_access *access, const uint8_t key[TPM_KEY_LEN],
                                struct tpm_sealed *out);

/*
 * The sealed key, into memory that the caller keeps locked and wipes. sealed is untrusted; key is
 * written only on success. As tpm_seal(), and:
 *
 *   WARD_ERR_FORMAT  the bytes are not a sealed key
 *   WARD_ERR_AUTH    sealed by another chip, or altered; a PCR has changed; the PIN is wrong, or
 *                    missing: a message for each
 *   WARD_ERR_ARG     also: a PIN was given for a key that has none
 *   WARD_ERR_DEVICE  also: the chip is locked for a while after too many wrong PINs
 *
 * A wrong PIN counts towards the chip's lockout, which all keys with PINs share. Nothing else does.
 */
WARD_CHECK ward_status tpm_unseal(const struct tpm_access *access, const uint8_t *sealed,
                                  size_t len, uint8_t key[TPM_KEY_LEN]);

/*
 * Whether a sealed key has a PIN, so that one is asked for only then; no chip is used. Believe it
 * once tpm_unseal() has succeeded. WARD_ERR_FORMAT as there.
 */
WARD_CHECK ward_status tpm_sealed_has_pin(const uint8_t *sealed, size_t len, bool *has_pin);

#endif
