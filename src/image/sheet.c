#include "image/sheet.h"

#include <string.h>

#include "base/mem.h"
#include "image/image.h"

/*
 * Glyphs of 3x5 dots, a row in three bits, the top row highest, the leftmost dot highest of its
 * row. From ' ' to 'Z'; what is missing is blank.
 */
static const uint16_t glyph['Z' - ' ' + 1] = {
    ['%' - ' '] = 052125, ['(' - ' '] = 024442, [')' - ' '] = 042224, ['+' - ' '] = 002720,
    [',' - ' '] = 000024, ['-' - ' '] = 000700, ['.' - ' '] = 000002, ['/' - ' '] = 011244,
    ['0' - ' '] = 075557, ['1' - ' '] = 026227, ['2' - ' '] = 071747, ['3' - ' '] = 071717,
    ['4' - ' '] = 055711, ['5' - ' '] = 074717, ['6' - ' '] = 074757, ['7' - ' '] = 071122,
    ['8' - ' '] = 075757, ['9' - ' '] = 075717, [':' - ' '] = 002020, ['=' - ' '] = 007070,
    ['A' - ' '] = 025755, ['B' - ' '] = 065656, ['C' - ' '] = 034443, ['D' - ' '] = 065556,
    ['E' - ' '] = 074647, ['F' - ' '] = 074644, ['G' - ' '] = 034553, ['H' - ' '] = 055755,
    ['I' - ' '] = 072227, ['J' - ' '] = 011152, ['K' - ' '] = 055655, ['L' - ' '] = 044447,
    ['M' - ' '] = 057755, ['N' - ' '] = 065555, ['O' - ' '] = 025552, ['P' - ' '] = 065644,
    ['Q' - ' '] = 025563, ['R' - ' '] = 065655, ['S' - ' '] = 034216, ['T' - ' '] = 072222,
    ['U' - ' '] = 055557, ['V' - ' '] = 055552, ['W' - ' '] = 055775, ['X' - ' '] = 055255,
    ['Y' - ' '] = 055222, ['Z' - ' '] = 071247};

enum { GLYPH_WIDTH = 3, GLYPH_HEIGHT = 5, GLYPH_STEP = 4, MAX_GRID = 4096 };

/* Dots are drawn 2x2, which reads well and stays narrower than a cell. */
enum { DOT = 2 };

static unsigned caption_height(const struct sheet_layout *l)
{
    return l->captions ? GLYPH_HEIGHT * DOT + l->margin : 0;
}

static unsigned cell_left(const struct sheet_layout *l, unsigned column)
{
    return l->margin + column * (l->cell_width * l->scale + l->margin);
}

static unsigned cell_top(const struct sheet_layout *l, unsigned row)
{
    return l->margin + caption_height(l) + row * (l->cell_height * l->scale + l->margin);
}

/* A black square of DOT dots; the caller keeps it inside the sheet. */
static void draw_dot(ward_image *sheet, unsigned left, unsigned top)
{
    for (unsigned y = top; y < top + DOT; y++)
        memset(sheet->pixels + ((size_t)y * sheet->width + left) * sheet->channels, 0,
               (size_t)DOT * sheet->channels);
}

static void draw_glyph(ward_image *sheet, unsigned left, unsigned top, char letter)
{
    unsigned code = (unsigned char)letter;
    unsigned bits;

    if (code >= 'a' && code <= 'z')
        code -= 'a' - 'A';
    if (code < ' ' || code > 'Z')
        return;
    bits = glyph[code - ' '];
    for (unsigned i = 0; i < GLYPH_WIDTH * GLYPH_HEIGHT; i++)
        if (bits >> (GLYPH_WIDTH * GLYPH_HEIGHT - 1 - i) & 1)
            draw_dot(sheet, left + i % GLYPH_WIDTH * DOT, top + i / GLYPH_WIDTH * DOT);
}

static void draw_caption(ward_image *sheet, const struct sheet_layout *l, unsigned column)
{
    unsigned fit = (l->cell_width * l->scale + DOT) / (GLYPH_STEP * DOT);
    const char *text = l->captions[column];

    for (unsigned i = 0; text && i < fit && text[i] != '\0'; i++)
        draw_glyph(sheet, cell_left(l, column) + i * GLYPH_STEP * DOT, l->margin, text[i]);
}

ward_status sheet_init(ward_image *out, const struct sheet_layout *l)
{
    ward_image sheet;
    ward_status st;

    /* With these bounds no product below passes 32 bits before image_new() looks at it. */
    if (l->columns == 0 || l->rows == 0 || l->cell_width == 0 || l->cell_height == 0 ||
        l->scale == 0 || l->columns > MAX_GRID || l->rows > MAX_GRID || l->scale > 64 ||
        l->cell_width > 4096 || l->cell_height > 4096 || l->margin > 256)
        return ward_fail(WARD_ERR_ARG,
                         "a picture sheet of %ux%u cells of %ux%u pixels, %u times, "
                         "is empty or too large",
                         l->columns, l->rows, l->cell_width, l->cell_height, l->scale);
    st = image_new(&sheet, cell_left(l, l->columns), cell_top(l, l->rows), l->channels);
    if (st)
        return st;
    memset(sheet.pixels, 255, (size_t)sheet.width * sheet.height * sheet.channels);
    for (unsigned column = 0; l->captions && column < l->columns; column++)
        draw_caption(&sheet, l, column);
    *out = sheet;
    return WARD_OK;
}

ward_status sheet_put(ward_image *sheet, const struct sheet_layout *l, unsigned column,
                      unsigned row, const ward_image *cell)
{
    unsigned grey = cell->channels == 1;
    uint8_t *to;

    if (cell->width != l->cell_width || cell->height != l->cell_height ||
        (!grey && cell->channels != sheet->channels) || column >= l->columns || row >= l->rows)
        return ward_fail(WARD_ERR_ARG,
                         "a picture of %ux%u pixels and %u channels does not fit the "
                         "sheet's cells",
                         cell->width, cell->height, cell->channels);
    for (unsigned y = 0; y < cell->height * l->scale; y++) {
        to =
            sheet->pixels + ((size_t)(cell_top(l, row) + y) * sheet->width + cell_left(l, column)) *
                                sheet->channels;
        for (unsigned x = 0; x < cell->width * l->scale; x++)
            for (unsigned c = 0; c < sheet->channels; c++)
                *to++ = cell->pixels[((size_t)(y / l->scale) * cell->width + x / l->scale) *
                                         cell->channels +
                                     (grey ? 0 : c)];
    }
    return WARD_OK;
}
