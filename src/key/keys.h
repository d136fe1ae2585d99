/* Key files as files, and what something is opened with: ward_keys from the inside. */
#ifndef KEY_KEYS_H
#define KEY_KEYS_H

#include "key/identity.h"
#include "ward/key.h"

/* The key files' identities, read now if that was not done yet; borrowed. WARD_ERR_AUTH if there is
 * none. */
WARD_CHECK ward_status keys_load(ward_keys *keys, const struct identity **out, size_t *count);
/* The first one, which must be an owner's: WARD_ERR_AUTH. */
WARD_CHECK ward_status keys_owner(ward_keys *keys, const struct identity **out);
/* The first one, which must be a lock key: WARD_ERR_AUTH. The others want no lock key. */
WARD_CHECK ward_status keys_lock(ward_keys *keys, const struct identity **out);
/* A file with a public key: a key file, or the text alone; no lock key. */
WARD_CHECK ward_status key_public_read(const char *path, struct public_key *out);

#endif
