/*
 * The tokens file: the digests of bearer tokens, whose they are, and on what terms.
 * docs/formats.md, section 13.
 */
#ifndef SERVE_TOKENS_H
#define SERVE_TOKENS_H

#include "base/sha256.h"
#include "ward/serve.h"

enum {
    TOKEN_TEXT_LEN = 5 + 64, /* "ward-" and 32 bytes in hex */
    TOKENS_MAX = 100000,
    TOKENS_FILE_MAX = 1 << 25
};

struct token {
    uint8_t digest[SHA256_LEN]; /* of the token's text */
    ward_token terms;
};

/* All zero is an empty list. */
struct token_list {
    struct token *items; /* owned; digests are all different */
    size_t count;
    struct token **by_digest; /* owned; ascending */
};

/* WARD_ERR_FORMAT says the line. *out is written only on success; tokens_release(). */
WARD_CHECK ward_status tokens_parse(const char *text, size_t len, struct token_list *out);
/* The same from a file that nobody else may read or write: WARD_ERR_IO if others may. */
WARD_CHECK ward_status tokens_read(const char *path, struct token_list *out);
/* The token of that text; NULL if there is none. Whether it has expired is not looked at. */
const struct token *tokens_find(const struct token_list *list, const char *text, size_t len);
void tokens_release(struct token_list *list);

/* WARD_ERR_IO if anybody but its owner may use a file. */
WARD_CHECK ward_status tokens_check_mode(const char *path);

/* Whether terms have run out today. */
bool token_has_expired(const ward_token *terms);

#endif
