/* The grammar of headers: see header.h. */
#include "key/header.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/util.h"
#include "key/base64.h"

enum { COLUMNS = 64, LINE_DATA = COLUMNS / 4 * 3, MAC_TEXT_LEN = 43 };

static const char stanza_mark[] = "-> ", end_mark[] = "---";

/* ---- words ---- */

bool word_is(const struct word *word, const char *text)
{
    return strlen(text) == word->len && memcmp(text, word->at, word->len) == 0;
}

bool word_decode(const struct word *word, uint8_t *out, size_t len)
{
    return base64_decode(word->at, word->len, out, len);
}

bool word_number(const char *at, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0 || (len > 1 && at[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)at[i] - '0';

        if (digit > 9 || value > (max - digit) / 10)
            return false;
        value = 10 * value + digit;
    }
    *out = value;
    return true;
}

bool stanza_is(const struct stanza *stanza, const char *type)
{
    return word_is(&stanza->words[0], type);
}

void stanza_body(const struct stanza *stanza, uint8_t *out)
{
    const char *at = stanza->body;

    for (size_t left = stanza->body_len; left > 0;) {
        size_t part = min_size(left, LINE_DATA);

        if (!base64_decode(at, base64_text_len(part), out, part))
            return; /* not reached: the parser has decoded it before */
        at += COLUMNS + 1;
        out += part;
        left -= part;
    }
}

/* ---- parsing ---- */

static ward_status broken(const char *what)
{
    return ward_fail(WARD_ERR_FORMAT, "broken header: %s", what);
}

/* The next line, without its LF; false if none ends within the longest header. */
static bool next_line(const uint8_t *data, size_t len, size_t *pos, struct word *line)
{
    const uint8_t *start = data + *pos;
    const uint8_t *end = memchr(start, '\n', min_size(len, HEADER_MAX_LEN) - *pos);

    if (!end)
        return false;
    *line = (struct word){(const char *)start, (size_t)(end - start)};
    *pos += line->len + 1;
    return true;
}

static bool split_words(struct word line, struct stanza *s)
{
    size_t start = 0;

    s->word_count = 0;
    for (size_t i = 0; i <= line.len; i++) {
        unsigned char c = i < line.len ? (unsigned char)line.at[i] : ' ';

        if (c == ' ') {
            if (i == start || s->word_count == STANZA_MAX_WORDS)
                return false;
            s->words[s->word_count++] = (struct word){line.at + start, i - start};
            start = i + 1;
        } else if (c < 0x21 || c > 0x7e) {
            return false;
        }
    }
    return true;
}

static ward_status parse_body(const uint8_t *data, size_t len, size_t *pos, struct stanza *s)
{
    uint8_t bytes[LINE_DATA]; /* of a key that its file's mode protects, the key itself */
    struct word line = {NULL, COLUMNS};
    ward_status st = WARD_OK;

    s->body = (const char *)data + *pos;
    s->body_len = 0;
    while (line.len == COLUMNS && !st) {
        size_t part = 0;

        if (!next_line(data, len, pos, &line) || line.len > COLUMNS)
            st = broken("a body is not in lines of 64 characters");
        else if (!base64_data_len(line.len, &part) || !word_decode(&line, bytes, part))
            st = broken("a body is not canonical base64");
        s->body_len += part;
    }
    mem_wipe(bytes, sizeof bytes);
    return st;
}

static ward_status parse_stanza(const uint8_t *data, size_t len, size_t *pos, struct word line,
                                struct stanza *out)
{
    const size_t mark = sizeof stanza_mark - 1;
    struct stanza s = {.text = line.at};
    ward_status st;

    if (line.len > STANZA_MAX_LINE || line.len <= mark || memcmp(line.at, stanza_mark, mark) != 0 ||
        !split_words((struct word){line.at + mark, line.len - mark}, &s))
        return broken("neither a stanza nor the end");
    st = parse_body(data, len, pos, &s);
    if (st)
        return st;
    s.text_len = (size_t)((const char *)data + *pos - s.text);
    *out = s;
    return WARD_OK;
}

static ward_status append(struct header *h, size_t *cap, const struct stanza *s)
{
    ward_status st = WARD_OK;

    if (h->count == HEADER_MAX_STANZAS)
        return broken("too many stanzas");
    if (h->count == *cap) {
        size_t wider = max_size(8, 2 * *cap);

        st = mem_resize(&h->stanzas, *cap, wider, sizeof *h->stanzas);
        if (!st)
            *cap = wider;
    }
    if (!st)
        h->stanzas[h->count++] = *s;
    return st;
}

static bool is_end(const struct word *line)
{
    return line->len >= sizeof end_mark - 1 && memcmp(line->at, end_mark, sizeof end_mark - 1) == 0;
}

static ward_status parse_end(const uint8_t *data, const struct word *line, struct header *h)
{
    const size_t mark = sizeof end_mark - 1;
    struct word mac = {line->at + mark + 1, MAC_TEXT_LEN};

    if (line->len != mark + 1 + MAC_TEXT_LEN || line->at[mark] != ' ' ||
        !word_decode(&mac, h->mac, MAC_LEN))
        return broken("its end is no MAC");
    h->covered = (size_t)((const uint8_t *)line->at - data) + mark;
    h->len = (size_t)((const uint8_t *)line->at - data) + line->len + 1;
    return WARD_OK;
}

bool header_is_of(const uint8_t *data, size_t len, const char *version)
{
    size_t kind = strlen(version) - 1;

    return len > kind && memcmp(data, version, kind) == 0;
}

static ward_status parse_version(const uint8_t *data, size_t len, size_t *pos, const char *version)
{
    struct word line;

    if (!header_is_of(data, len, version) || !next_line(data, len, pos, &line))
        return broken("it does not start with a version");
    if (!word_is(&line, version))
        return ward_fail(WARD_ERR_FORMAT, "not of the version '%s', the one this build can read",
                         version);
    return WARD_OK;
}

ward_status header_parse(const uint8_t *data, size_t len, const char *version, struct header *out)
{
    struct header h = {.stanzas = NULL};
    struct stanza s;
    struct word line;
    size_t pos = 0, cap = 0;
    ward_status st = parse_version(data, len, &pos, version);

    while (!st && h.len == 0) {
        if (!next_line(data, len, &pos, &line)) {
            st = broken("it has no end");
        } else if (is_end(&line)) {
            st = parse_end(data, &line, &h);
        } else {
            st = parse_stanza(data, len, &pos, line, &s);
            if (!st)
                st = append(&h, &cap, &s);
        }
    }
    if (st)
        header_release(&h);
    else
        *out = h;
    return st;
}

void header_release(struct header *header)
{
    mem_free(header->stanzas);
    *header = (struct header){.stanzas = NULL};
}

/* ---- writing ---- */

void header_begin(struct wr *wr, const char *version)
{
    wr_text(wr, version);
    wr_text(wr, "\n");
}

void header_stanza(struct wr *wr, const char *line, const uint8_t *body, size_t len)
{
    char text[COLUMNS + 1];

    wr_text(wr, stanza_mark);
    wr_text(wr, line);
    wr_text(wr, "\n");
    for (; len >= LINE_DATA; body += LINE_DATA, len -= LINE_DATA) {
        base64_encode(body, LINE_DATA, text);
        wr_text(wr, text);
        wr_text(wr, "\n");
    }
    text[0] = '\0';
    if (len > 0)
        base64_encode(body, len, text);
    wr_text(wr, text);
    wr_text(wr, "\n");
    mem_wipe(text, sizeof text);
}

ward_status header_end(struct wr *wr, const char *version, const uint8_t file_key[FILE_KEY_LEN])
{
    uint8_t mac[MAC_LEN];
    char text[MAC_TEXT_LEN + 1];
    ward_status st;

    wr_text(wr, end_mark);
    st = wr_finish(wr);
    if (st)
        return st;
    cipher_mac(file_key, version, wr->data, wr->len, mac);
    base64_encode(mac, sizeof mac, text);
    wr_printf(wr, " %s\n", text);
    st = wr_finish(wr);
    if (!st && wr->len > HEADER_MAX_LEN)
        st = ward_fail(WARD_ERR_ARG, "too many recipients: the header has more than %d bytes",
                       HEADER_MAX_LEN);
    return st;
}
