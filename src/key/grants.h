/*
 * Whom a transform is sealed to besides its owner, as the owner keeps it, and on what terms.
 * docs/formats.md, section 10.
 */
#ifndef KEY_GRANTS_H
#define KEY_GRANTS_H

#include "base/bytes.h"
#include "key/identity.h"

enum {
    DATE_LEN = 10,
    GRANT_NAME_MAX = 63,
    GRANTS_MAX = 4000, /* fewer than stanzas, as a header has others, too */
    USES_MAX = 1000000000
};

struct grant {
    uint8_t x25519[X25519_LEN];
    char date[DATE_LEN + 1];
    char name[GRANT_NAME_MAX + 1];
};

struct grant_list {
    struct grant *items; /* owned; public keys are all different */
    size_t count, cap;
};

/* Today, UTC. */
void date_today(char date[DATE_LEN + 1]);
/* YYYY-MM-DD, and there is such a day. */
bool date_is_right(const char *text, size_t len);

/*
 * Add a user, as of today. A key that is there is passed over, which *is_new says. WARD_ERR_ARG for
 * a name that is none (NULL is "-").
 */
WARD_CHECK ward_status grants_add(struct grant_list *list, const uint8_t x25519[X25519_LEN],
                                  const char *name, bool *is_new);
/* The user's public key as text. */
void grant_format_key(const struct grant *grant, char text[PUBLIC_TEXT_MAX]);
/* The place of a public key, or list->count. */
size_t grants_find(const struct grant_list *list, const uint8_t x25519[X25519_LEN]);
void grants_remove(struct grant_list *list, size_t place);
/* As text, and back: WARD_ERR_FORMAT. */
void grants_format(const struct grant_list *list, struct wr *out);
WARD_CHECK ward_status grants_parse(const char *text, size_t len, struct grant_list *out);
/* Wipes. */
void grants_release(struct grant_list *list);

/* What users have to keep to. */
struct terms {
    char expires[DATE_LEN + 1]; /* "": never */
    uint64_t uses;              /* 0: no limit */
};

enum { TERM_TEXT_MAX = 24 };

/* WARD_ERR_ARG for a date or a number that is none. */
WARD_CHECK ward_status terms_take(const ward_terms *given, struct terms *out);
bool terms_are_none(const struct terms *terms);
/* The two words of a stanza or manifest, and back. */
void terms_format(const struct terms *terms, char expires[TERM_TEXT_MAX], char uses[TERM_TEXT_MAX]);
bool terms_parse(const char *expires, size_t expires_len, const char *uses, size_t uses_len,
                 struct terms *out);
/* The signature of terms for a model. */
WARD_CHECK ward_status terms_sign(const struct terms *terms, const char *id,
                                  const struct identity *owner, uint8_t signature[SIGNATURE_LEN]);
bool terms_are_signed(const struct terms *terms, const char *id, const uint8_t ed25519[ED25519_LEN],
                      const uint8_t signature[SIGNATURE_LEN]);
/* WARD_ERR_AUTH if the day has passed. */
WARD_CHECK ward_status terms_check_day(const struct terms *terms);
/* Count one use of a model by this user. WARD_ERR_AUTH if it is one too many; WARD_ERR_IO. */
WARD_CHECK ward_status terms_count_use(const struct terms *terms, const char *id);

#endif
