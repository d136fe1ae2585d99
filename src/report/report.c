/* ward/report.h: collects, lays out, writes. */
#include "ward/report.h"

#include "base/file.h"
#include "base/mem.h"
#include "report/page.h"

struct ward_report {
    struct wr text; /* with a NUL behind it, which is counted */
    bool is_secret;
};

/* All that a page borrows. */
struct contents {
    struct runs runs;
    struct cells cells;
    struct score_table accuracies, attacks;
    struct figures figures;
};

static void contents_release(struct contents *c)
{
    figures_release(&c->figures);
    score_table_release(&c->accuracies);
    score_table_release(&c->attacks);
    cells_release(&c->cells);
    runs_release(&c->runs);
}

static ward_status contents_tabulate(struct contents *c)
{
    ward_status st = cells_make(&c->cells, &c->runs);

    if (!st)
        st = score_table_accuracies(&c->accuracies, &c->cells);
    if (!st)
        st = score_table_attacks(&c->attacks, &c->cells);
    return st;
}

static ward_status write_page(struct ward_report *report, const struct contents *c,
                              const ward_report_options *options)
{
    struct page page = {&c->runs, &c->cells, &c->accuracies, &c->attacks,
                        options->includes_secret ? &c->figures : NULL};

    if (options->format == WARD_REPORT_MARKDOWN)
        page_write_markdown(&report->text, &page);
    else
        page_write_html(&report->text, &page);
    wr_u8(&report->text, 0);
    return wr_finish(&report->text);
}

ward_status ward_report_new(ward_report **out, ward_device *device, const char *const *paths,
                            size_t count, const ward_report_options *options)
{
    struct data_keeper keeper = {.given = options->data};
    struct contents c = {.runs = {.count = 0}};
    struct ward_report *made = NULL;
    ward_status st = mem_new(&made, 1, sizeof *made);

    if (st)
        return st;
    made->is_secret = options->includes_secret;
    st = runs_collect(&c.runs, device, paths, count, options, &keeper);
    if (!st)
        st = contents_tabulate(&c);
    if (!st && options->includes_secret)
        st = figures_make(&c.figures, &c.cells, &c.runs, device, options, &keeper);
    if (!st)
        st = write_page(made, &c, options);
    if (!st) {
        *out = made;
        made = NULL;
    }
    ward_report_free(made);
    contents_release(&c);
    data_keeper_release(&keeper);
    return st;
}

void ward_report_free(ward_report *report)
{
    if (!report)
        return;
    wr_release(&report->text);
    mem_free(report);
}

const char *ward_report_text(const ward_report *report)
{
    return (const char *)report->text.data;
}

ward_status ward_report_write(const ward_report *report, const char *path, int flags)
{
    return file_write(path, report->text.data, report->text.len - 1,
                      (report->is_secret ? FILE_SECRET : 0) |
                          (flags & WARD_REPORT_REPLACE ? FILE_REPLACE : 0));
}
