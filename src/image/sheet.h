/*
 * A picture sheet: equal cells in a grid on white, each pixel drawn scale times scale, with an
 * optional line of text above each column. The sheet is an ordinary image; the layout says where
 * the cells are.
 */
#ifndef IMAGE_SHEET_H
#define IMAGE_SHEET_H

#include "ward/image.h"

struct sheet_layout {
    unsigned columns, rows;
    unsigned cell_width, cell_height; /* pixels of a cell before scaling */
    unsigned channels;                /* of the sheet: 1 or 3 */
    unsigned scale;                   /* >= 1 */
    unsigned margin;                  /* pixels around and between cells */
    const char *const *captions;      /* one a column, or NULL; borrowed */
};

/*
 * A white sheet with its captions (ASCII, in capitals; cut off at the column's width). *out is
 * owned: ward_image_release(). WARD_ERR_ARG if the layout is empty or too large, WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status sheet_init(ward_image *out, const struct sheet_layout *layout);

/*
 * Draw a cell of the layout's size; a grey cell on an RGB sheet is fine. column and row count from
 * 0. WARD_ERR_ARG if the cell's size or channels do not fit.
 */
WARD_CHECK ward_status sheet_put(ward_image *sheet, const struct sheet_layout *layout,
                                 unsigned column, unsigned row, const ward_image *cell);

#endif
