/*
 * A connection to a TPM with what each use needs, and what the answers mean. Whatever is put into
 * the chip through a connection is taken out again when that closes: many have room for three
 * objects.
 */
#ifndef TPM_CHIP_H
#define TPM_CHIP_H

#include <signal.h>
#include <stdbool.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tcti.h>

#include "base/status.h"

enum { CHIP_HANDLES = 4 };

struct chip {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR storage_key;
    ESYS_TR session;        /* for the storage key's own use */
    ESYS_TR policy_session; /* one that has followed a policy; there once somebody starts it */
    ESYS_TR handles[CHIP_HANDLES]; /* to be flushed */
    unsigned handle_count;
    bool blocks_sigpipe; /* in this thread; signals: what it blocked before */
    sigset_t signals;
};

/* tcti is borrowed, and may be NULL: see struct tpm_access. On failure nothing is left open. */
WARD_CHECK ward_status chip_open(struct chip *chip, const char *tcti);

/* Flushes and disconnects; fine for an all-zero struct. */
void chip_close(struct chip *chip);

/* Let chip_close() flush a handle. */
void chip_keep(struct chip *chip, ESYS_TR handle);

/*
 * A session of a type, salted with the storage key, that encrypts the first parameter both ways.
 * A trial session is of use for its policy digest only.
 */
WARD_CHECK ward_status chip_start_session(struct chip *chip, TPM2_SE type, ESYS_TR *session);

/* Let another answer take the place of the last one in the library's buffer. */
void chip_overwrite_buffer(struct chip *chip);

/* The status and text for a code other than 0 that came back while doing something. */
WARD_CHECK ward_status chip_fail(TSS2_RC rc, const char *doing);

/* A code's error without the parameter, handle or session that it is about; 0: not by the chip. */
TPM2_RC chip_error(TSS2_RC rc);

#endif
