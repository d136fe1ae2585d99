/* Text and numbers of a page: see text.h. */
#include "report/text.h"

#include <math.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd", minus[] = "\xe2\x88\x92", dash[] = "\xe2\x80\x93";

/*
 * Bytes of the UTF-8 character at text, 0 if there is none: neither overlong forms nor surrogates
 * are characters, nor are control characters.
 */
static size_t character_len(const unsigned char *text)
{
    uint32_t code = text[0];
    size_t len = code < 0x80 ? 1 : code < 0xc0 ? 0 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
    static const uint32_t smallest[] = {0, 0x20, 0x80, 0x800, 0x10000};

    if (len == 0 || code >= 0xf8)
        return 0;
    if (len > 1)
        code &= 0x7fu >> len;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
        (code >= 0x7f && code < 0xa0))
        return 0;
    return len;
}

/* What stands for a character of one byte; NULL: itself. */
typedef const char *substitute(char c);

static void escape(struct wr *wr, const char *text, substitute *instead)
{
    while (*text) {
        size_t len = character_len((const unsigned char *)text);
        const char *other = len == 1 && instead ? instead(*text) : NULL;

        if (other)
            wr_text(wr, other);
        else if (len)
            wr_bytes(wr, text, len);
        else
            wr_text(wr, replacement);
        text += len ? len : 1;
    }
}

static const char *html_instead(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

static const char *markdown_instead(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '|': return "\\|";
    case '\\': return "\\\\";
    case '`': return "\\`";
    case '*': return "\\*";
    case '_': return "\\_";
    case '[': return "\\[";
    case ']': return "\\]";
    case '!': return "\\!";
    case '#': return "\\#";
    default: return NULL;
    }
}

void text_html(struct wr *wr, const char *text)
{
    escape(wr, text, html_instead);
}

void text_markdown(struct wr *wr, const char *text)
{
    escape(wr, text, markdown_instead);
}

void text_plain(struct wr *wr, const char *text)
{
    escape(wr, text, NULL);
}

void text_shell(struct wr *wr, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_=+./:,@%";

    if (*word && word[strspn(word, plain)] == '\0') {
        wr_text(wr, word);
        return;
    }
    wr_u8(wr, '\'');
    for (; *word; word++)
        if (*word == '\'')
            wr_text(wr, "'\\''");
        else
            wr_bytes(wr, word, 1);
    wr_u8(wr, '\'');
}

/* By hand, for printf's point may be a comma. */
void text_fixed(struct wr *wr, double v, unsigned digits)
{
    const double largest = 1e12;
    uint64_t unit = 1, scaled;

    if (!isfinite(v) || fabs(v) > largest) {
        wr_text(wr, dash);
        return;
    }
    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    scaled = (uint64_t)llround(fabs(v) * (double)unit);
    if (v < 0 && scaled > 0)
        wr_u8(wr, '-');
    wr_printf(wr, "%ju", (uintmax_t)(scaled / unit));
    if (digits > 0)
        wr_printf(wr, ".%0*ju", (int)digits, (uintmax_t)(scaled % unit));
}

void text_signed(struct wr *wr, double v, unsigned digits)
{
    if (isfinite(v))
        wr_text(wr, v < 0 ? minus : "+");
    text_fixed(wr, fabs(v), digits);
}

void text_count(struct wr *wr, double v)
{
    struct wr plain = WR_INIT;

    text_fixed(&plain, v, 0);
    for (size_t i = 0; i < plain.len; i++) {
        wr_bytes(wr, plain.data + i, 1);
        if (isfinite(v) && i + 1 < plain.len && (plain.len - i - 1) % 3 == 0 &&
            plain.data[i] != '-')
            wr_u8(wr, ',');
    }
    if (!wr->status)
        wr->status = wr_finish(&plain);
    wr_release(&plain);
}

void text_duration(struct wr *wr, double seconds)
{
    const double minute = 60, hour = 3600;
    double rounded = rint(seconds);

    if (!isfinite(seconds) || seconds < 0 || seconds > 1e10)
        wr_text(wr, dash);
    else if (rounded < 2 * minute)
        wr_printf(wr, "%.0f s", rounded);
    else if (seconds < hour - minute / 2)
        wr_printf(wr, "%.0f min", rint(seconds / minute));
    else
        wr_printf(wr, "%.0f h %02.0f min", floor((seconds + minute / 2) / hour),
                  floor(fmod(seconds + minute / 2, hour) / minute));
}

void text_base64(struct wr *wr, const uint8_t *data, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t word = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0);
        const char four[4] = {digit[word >> 18], digit[word >> 12 & 63],
                              left > 1 ? digit[word >> 6 & 63] : '=',
                              left > 2 ? digit[word & 63] : '='};

        wr_bytes(wr, four, sizeof four);
    }
}
