/*
 * The text header of sealed files and key files: version line, stanzas, MAC. docs/formats.md,
 * section 10. Here is its grammar; what stanzas mean is for others.
 */
#ifndef KEY_HEADER_H
#define KEY_HEADER_H

#include "base/bytes.h"
#include "key/cipher.h"

enum {
    HEADER_MAX_LEN = 1 << 20,
    HEADER_MAX_STANZAS = 4096,
    STANZA_MAX_LINE = 4096,
    STANZA_MAX_WORDS = 8
};

struct word {
    const char *at; /* borrowed, not ended by a NUL */
    size_t len;
};

/* A stanza of a parsed header; everything is borrowed from the bytes that were parsed. */
struct stanza {
    const char *text; /* as it stands there, with its last LF */
    size_t text_len;
    struct word words[STANZA_MAX_WORDS]; /* the first is the type */
    size_t word_count;
    const char *body; /* base64 and line ends */
    size_t body_len;  /* bytes that it stands for */
};

struct header {
    struct stanza *stanzas; /* owned */
    size_t count;
    size_t covered; /* bytes under the MAC */
    uint8_t mac[MAC_LEN];
    size_t len; /* bytes in all: the payload starts here */
};

/* Whether the bytes start as a file of that version, or another version of the same kind. */
bool header_is_of(const uint8_t *data, size_t len, const char *version);

/* out is empty. WARD_ERR_FORMAT, without the file's name. Borrows data. */
WARD_CHECK ward_status header_parse(const uint8_t *data, size_t len, const char *version,
                                    struct header *out);
/* All zero is fine. */
void header_release(struct header *header);

bool word_is(const struct word *word, const char *text);
/* The word as the base64 of exactly len bytes. */
bool word_decode(const struct word *word, uint8_t *out, size_t len);
/* A whole number without leading zeros, 0 .. max. */
bool word_number(const char *at, size_t len, uint64_t max, uint64_t *out);
bool stanza_is(const struct stanza *stanza, const char *type);
/* body_len bytes; the text was checked when it was parsed. */
void stanza_body(const struct stanza *stanza, uint8_t *out);

/* Append version line, a stanza (its line without "-> " and LF), and the end with the MAC. */
void header_begin(struct wr *wr, const char *version);
void header_stanza(struct wr *wr, const char *line, const uint8_t *body, size_t len);
WARD_CHECK ward_status header_end(struct wr *wr, const char *version,
                                  const uint8_t file_key[FILE_KEY_LEN]);

#endif
