/*
 * Writing pages: escaping, and numbers as people read them. Nothing here depends on the locale.
 * Text may be any bytes (a file name may); what is not UTF-8, and control characters, become
 * U+FFFD.
 */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include "base/bytes.h"

/* How text from elsewhere is put on a page. */
typedef void text_escape(struct wr *wr, const char *text);

/* For HTML and SVG: contents and quoted attributes. */
void text_html(struct wr *wr, const char *text);
/* For Markdown, within a line or a cell of a table. */
void text_markdown(struct wr *wr, const char *text);
/* As it is, but for what is not UTF-8: for the inside of a Markdown block of code. */
void text_plain(struct wr *wr, const char *text);
/* A word of a shell command: quoted unless it is plain. Not yet escaped. */
void text_shell(struct wr *wr, const char *word);

/* So many digits behind a point; a dash if v is not finite or beyond 10^12. */
void text_fixed(struct wr *wr, double v, unsigned digits);
/* The same with a sign, which may be U+2212. */
void text_signed(struct wr *wr, double v, unsigned digits);
/* 40,000 */
void text_count(struct wr *wr, double v);
/* "42 s", "12 min", "1 h 05 min"; a dash if v is negative or not finite. */
void text_duration(struct wr *wr, double seconds);

void text_base64(struct wr *wr, const uint8_t *data, size_t len);

#endif
