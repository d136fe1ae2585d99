/*
 * Keys: who may open a sealed transform. An owner seals runs to users' public keys; a user opens
 * them with a key file, whose secret half is protected by the file's mode, a passphrase or a TPM.
 * X25519 (RFC 7748) to seal to, Ed25519 (RFC 8032) to sign with, ChaCha20-Poly1305 (RFC 8439);
 * docs/formats.md, sections 10 to 12, has the bytes.
 *
 * What sealing cannot do: a user who has opened a transform may keep it, whatever is revoked
 * afterwards; an expiry date and a use limit bind this software only. The answer to a transform
 * that has leaked is another one: `ward relock`.
 *
 * A public key is a line of text, "ward-user:..." or "ward-owner:...".
 *
 * A lock key is another thing: not half of a pair, but the 32 bytes that the transform of a run of
 * method keyed follows from, made beforehand (ward_train_options.lock). It opens nothing, and
 * whoever uses the run needs none: the run holds what follows from it.
 */
#ifndef WARD_KEY_H
#define WARD_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ward/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ward_key_type {
    WARD_KEY_USER,  /* opens what is sealed to it */
    WARD_KEY_OWNER, /* besides, decides who else may, and signs */
    WARD_KEY_LOCK   /* what a keyed transform follows from; it has no public half */
} ward_key_type;

typedef enum ward_key_protection {
    WARD_PROTECT_FILE,       /* mode 0600, and nothing else */
    WARD_PROTECT_PASSPHRASE, /* Argon2id (RFC 9106) */
    WARD_PROTECT_TPM         /* the machine's TPM 2.0, with a PIN if one is given */
} ward_key_protection;

/* How a new key file is protected. Everything is borrowed for the call. */
typedef struct ward_key_options {
    ward_key_protection protection;
    const char *passphrase; /* passphrase_len bytes; a TPM's PIN, at most 32; NULL: no PIN */
    size_t passphrase_len;
    /* Argon2id's cost; 0: 256 and 3. memory_mib 1 .. 1024, passes 1 .. 1000; their product at most
     * 4096. */
    unsigned memory_mib, passes;
    const char *tpm; /* which TPM, as tpm2-tss spells it; NULL: the machine's */
    /* What the TPM's answer depends on: "sha256:0,7"; NULL: "sha256:7", Secure Boot's state. */
    const char *pcrs;
    bool replaces; /* overwrite a key file that is there */
} ward_key_options;

/* "$XDG_DATA_HOME/ward/keys/owner.key", user.key or lock.key; owned: ward_string_free().
 * WARD_ERR_IO if neither XDG_DATA_HOME nor HOME is set, WARD_ERR_NOMEM. */
WARD_API WARD_CHECK ward_status ward_key_default_path(ward_key_type type, char **out);

/*
 * Make a pair of keys and write it to path (mode 0600, its folder is made) and its public half to
 * PATH.pub; or make a lock key, which has none.
 *
 *   path        borrowed
 *   public_key  receives the public key, of a lock key its fingerprint (ward_key_describe());
 *               owned: ward_string_free(); may be NULL
 *
 * WARD_ERR_EXISTS if a file is there; WARD_ERR_ARG for a cost out of range, or no passphrase;
 * WARD_ERR_DEVICE if this build or machine has no such TPM; WARD_ERR_IO, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_key_new(const char *path, ward_key_type type,
                                             const ward_key_options *options, char **public_key);

/* The public key of a key file, which need not be opened for it; or of a file that holds nothing
 * else. Owned: ward_string_free(). WARD_ERR_FORMAT for another file, and for a lock key;
 * WARD_ERR_IO, WARD_ERR_NOMEM. */
WARD_API WARD_CHECK ward_status ward_key_public(const char *path, char **out);

/* What a key file says without being opened; nothing vouches for it until it is. */
typedef struct ward_key_info {
    ward_key_type type;
    /* Bits 1 << ward_key_protection: each of them opens it. 0: the file holds a public key and
     * nothing else. */
    unsigned protections;
    /* Tells it from others: the public key, or of a lock key "ward-lock:...", a digest that gives
     * nothing away. */
    char fingerprint[104];
} ward_key_info;

/* Of a key file, or a file with a public key. WARD_ERR_IO, WARD_ERR_FORMAT, WARD_ERR_NOMEM. */
WARD_API WARD_CHECK ward_status ward_key_describe(const char *path, ward_key_info *out);

/* Whether text is a public key, and of which type (may be NULL). WARD_ERR_ARG if it is none, or was
 * mistyped. */
WARD_API WARD_CHECK ward_status ward_key_check(const char *text, ward_key_type *type);

/*
 * Where a passphrase comes from: write at most max bytes to out and how many to *len. Called only
 * when a key file that needs one is opened; `path` is that file, is_pin tells a TPM's PIN. Return
 * false if there is none; the opening then fails with WARD_ERR_AUTH.
 */
typedef bool ward_key_ask(void *context, const char *path, bool is_pin, char *out, size_t max,
                          size_t *len);

/*
 * Keys to open things with. Key files are read when something sealed is met, each once, so that
 * plain runs need no passphrase. One thread at a time.
 */
typedef struct ward_keys ward_keys;

typedef struct ward_keys_options {
    const char *identity; /* a key file; NULL: the owner's and the user's of
                             ward_key_default_path(), as far as they are there */
    ward_key_ask *ask;    /* NULL: there are no passphrases */
    void *context;
    const char *tpm; /* see ward_key_options */
} ward_keys_options;

/* Owned: ward_keys_free(). Strings are copied. Reads no file yet; without a data folder there are
 * no default keys. WARD_ERR_NOMEM. */
WARD_API WARD_CHECK ward_status ward_keys_new(ward_keys **out, const ward_keys_options *options);
/* Wipes. NULL is fine. */
WARD_API void ward_keys_free(ward_keys *keys);

/*
 * Write the pair of keys, or the lock key, of the first key file to another path under another
 * protection: for a backup, or to change a passphrase. As ward_key_new(); also WARD_ERR_AUTH if it
 * cannot be opened.
 */
WARD_API WARD_CHECK ward_status ward_key_copy(ward_keys *keys, const char *path,
                                              const ward_key_options *options);

/* ---- runs ---- */

/* On what terms users may open a transform. They do not bind the owner. */
typedef struct ward_terms {
    const char *expires; /* the last day, "2027-01-31" (UTC); NULL: never */
    uint64_t uses;       /* how often each user may open it, at most 1,000,000,000; 0: no limit */
} ward_terms;

/* A user that a transform is sealed to. */
typedef struct ward_grant {
    char public_key[64]; /* "ward-user:..." */
    char date[11];       /* of the grant, "2026-01-31" */
    char name[64];       /* "-" if none was given */
} ward_grant;

/*
 * Seal a run's transform and checkpoint to the owner whose key file is the first of keys, and sign
 * a manifest if there is a model: a training under way is only sealed. A plain run is migrated:
 * what was there is overwritten, then removed (whether the disk keeps a copy is not in our hands).
 * A sealed one keeps its users; its terms become the given ones.
 *
 *   keys        an owner's; opened
 *   recipients  public keys of users, ended by NULL; may be NULL
 *   terms       borrowed; NULL: none, or as they are
 *
 * WARD_ERR_ARG if there is nothing to seal: no transform, or one drawn from a given seed; or if
 * there are terms for a training under way; WARD_ERR_AUTH if a sealed run is another owner's, or
 * cannot be opened; WARD_ERR_BUSY while another process works on the run; WARD_ERR_IO, also if
 * what would be overwritten has another name (a hard link); WARD_ERR_FORMAT, WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_run_seal(const char *run, ward_keys *keys,
                                              const char *const *recipients,
                                              const ward_terms *terms);

/*
 * Let users open a sealed run's transform, too. Only the header is written anew. A user who may
 * already is passed over. Then the run is signed: one whose files are not as its manifest says is
 * refused (WARD_ERR_AUTH) before anything is written, and so is one without a model (WARD_ERR_IO);
 * one without a manifest is signed as it is.
 *
 *   keys   the owner's; opened
 *   users  count public keys; borrowed
 *   name   for the list, 1 to 63 bytes of printable ASCII without blanks; NULL: none
 *
 * WARD_ERR_ARG for what is no user's public key, no name, or a run that is not sealed; otherwise as
 * ward_run_seal().
 */
WARD_API WARD_CHECK ward_status ward_run_grant(const char *run, ward_keys *keys,
                                               const char *const *users, size_t count,
                                               const char *name);
/*
 * Seal a run's transform anew, to all but a user, given by public key or by a name that only one
 * has. WARD_ERR_ARG if there is no such user, or several; otherwise as ward_run_grant().
 */
WARD_API WARD_CHECK ward_status ward_run_revoke(const char *run, ward_keys *keys, const char *user);
/* Who may open it besides the owner, in the order of granting. Owned: ward_grants_free(). Errors as
 * ward_run_grant(). */
WARD_API WARD_CHECK ward_status ward_run_grants(const char *run, ward_keys *keys, ward_grant **out,
                                                size_t *count);
/* NULL is fine. */
WARD_API void ward_grants_free(ward_grant *grants);
/*
 * Hand a run over to another owner key, the first of `next`: sealed anew under another file key, to
 * the same users, and signed by it. A transform that is the other's already is left as it is, and
 * the run signed if all else is as one of the two owners has signed it. Errors as ward_run_grant().
 */
WARD_API WARD_CHECK ward_status ward_run_rotate(const char *run, ward_keys *keys, ward_keys *next);

/* What a manifest says. */
typedef struct ward_manifest_info {
    char owner[128]; /* who signed: its Ed25519 public key in base64 */
    char model_id[65];
    char expires[11];  /* "" if never */
    uint64_t uses;     /* 0: no limit */
    size_t file_count; /* files that were found as signed */
} ward_manifest_info;

/*
 * Check a run against its manifest: the signature is of the given owner, each file it names is
 * there with the bytes that were signed, and so are all files that it should name.
 *
 *   owner  public key of the owner whose signature is asked for
 *   out    may be NULL
 *
 * WARD_ERR_AUTH if the signature is another's or wrong, or a file is not as signed; WARD_ERR_IO if
 * there is no run or no manifest; WARD_ERR_FORMAT if it is none; WARD_ERR_ARG if `owner` is no
 * owner's public key; WARD_ERR_NOMEM.
 */
WARD_API WARD_CHECK ward_status ward_run_verify(const char *run, const char *owner,
                                                ward_manifest_info *out);

#ifdef __cplusplus
}
#endif
#endif
