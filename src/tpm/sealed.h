/* What a sealed key looks like: the one description of it, from which it is made and checked. */
#ifndef TPM_SEALED_H
#define TPM_SEALED_H

#include <tss2/tss2_tpm2_types.h>

#include "tpm/tpm.h"

/* The public part of a key sealed under a policy; its unique field is left for the chip. */
TPM2B_PUBLIC sealed_template(bool has_pin, const TPM2B_DIGEST *policy);

bool sealed_has_pin(const TPM2B_PUBLIC *public);

/* WARD_ERR_DEVICE if a chip's private part is larger than what tpm.h provides for. */
WARD_CHECK ward_status sealed_write(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
                                    struct tpm_sealed *out);

/* Accepts what sealed_write() makes of sealed_template(), byte by byte, and nothing else. */
WARD_CHECK ward_status sealed_read(const uint8_t *bytes, size_t len, TPM2B_PUBLIC *public,
                                   TPM2B_PRIVATE *private);

#endif
