/* What both forms of a page say: see page.h. */
#include "report/page.h"

#include <inttypes.h>
#include <math.h>

#include "base/mem.h"

void page_group_name(struct wr *wr, const struct cell *cell, text_escape *escape)
{
    escape(wr, data_title(cell->runs->data));
    wr_text(wr, ", ");
    escape(wr, cell->runs->arch);
}

const char *page_paper(void)
{
    return "Chen and Wu, Protect Your Deep Neural Networks from Piracy, WIFS 2018";
}

/* ---- parts ---- */

static void write_field(struct wr *wr, const struct history_part *part, enum part_field field,
                        text_escape *escape)
{
    switch (field) {
    case PART_COMMIT: escape(wr, part->commit); break;
    case PART_DEVICE: escape(wr, part->device); break;
    case PART_THREADS: text_fixed(wr, part->threads, 0); break;
    }
}

static bool is_same_field(const struct history_part *a, const struct history_part *b,
                          enum part_field field)
{
    switch (field) {
    case PART_COMMIT: return strcmp(a->commit, b->commit) == 0;
    case PART_DEVICE: return strcmp(a->device, b->device) == 0;
    case PART_THREADS: return !(a->threads < b->threads) && !(a->threads > b->threads);
    }
    return false;
}

void page_parts(struct wr *wr, const struct history *history, enum part_field field,
                text_escape *escape)
{
    size_t shown = 0;

    for (size_t i = 0; i < history->part_count; i++) {
        const struct history_part *part = &history->parts[i];

        if (i > 0 && is_same_field(&history->parts[i - 1], part, field))
            continue;
        wr_text(wr, shown++ ? ", " : "");
        write_field(wr, part, field, escape);
        if (shown > 1) {
            wr_text(wr, " from ");
            text_count(wr, part->iteration);
        }
    }
    if (shown == 0)
        wr_text(wr, "not recorded");
}

/* ---- commands ---- */

static void write_command(struct wr *wr, const struct report_run *r, text_escape *escape)
{
    const struct history *h = &r->history;

    escape(wr, r->settings.command);
    wr_printf(wr, " --seed %" PRIu64, r->settings.seed);
    if (h->part_count > 0) {
        wr_text(wr, " --threads ");
        text_fixed(wr, h->parts[h->part_count - 1].threads, 0);
    }
    if (r->is_reproducible)
        wr_text(wr, " --secret-seed FILE");
    wr_text(wr, " --out RUN\n");
}

void page_commands(struct wr *wr, const struct cell *cell, text_escape *escape)
{
    for (size_t i = 0; i < cell->count; i++)
        write_command(wr, &cell->runs[i], escape);
    wr_text(wr, "ward eval RUN\n");
    for (size_t i = 0; i < cell->attack_count; i++) {
        wr_text(wr, "ward attack RUN ");
        escape(wr, cell->attacks[i].first->settings);
        wr_text(wr, "\n");
    }
}

/* ---- small things ---- */

int page_level(const struct score *score)
{
    double distance = fabs(score_distance(score));
    const double small = 1, large = 3;

    if (isnan(distance))
        return 0;
    return distance < small ? 1 : distance < large ? 2 : 3;
}

bool page_has_perturbations(const struct page *page)
{
    for (size_t i = 0; i < page->runs->count; i++)
        if (page->runs->items[i].method != WARD_METHOD_BASELINE)
            return true;
    return false;
}

const char *page_split_label(const char *label, size_t *first_len)
{
    const char *options = strstr(label, " --");

    *first_len = options ? (size_t)(options - label) : strlen(label);
    return options ? options + 1 : "";
}
