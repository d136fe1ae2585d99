/* Tables for people: percent, and differences in points of a percent. */
#include <math.h>

#include "base/bytes.h"
#include "study/tables.h"

static const double percent = 100;

static void put_percent(struct wr *wr, double fraction)
{
    if (isfinite(fraction))
        wr_printf(wr, " %.2f |", percent * fraction);
    else
        wr_text(wr, " - |");
}

static void put_difference(struct wr *wr, const struct study_number *number)
{
    double difference = study_difference(number);

    if (isfinite(difference))
        wr_printf(wr, " %+.2f |", percent * difference);
    else
        wr_text(wr, " - |");
}

/* "92.35 ± 0.12 |" */
static void put_mean(struct wr *wr, const struct study_number *number)
{
    if (isfinite(number->mean) && isfinite(number->sd))
        wr_printf(wr, " %.2f ± %.2f |", percent * number->mean, percent * number->sd);
    else
        put_percent(wr, number->mean);
}

static void put_number(struct wr *wr, const struct study_number *number)
{
    put_mean(wr, number);
    put_percent(wr, number->paper);
    put_difference(wr, number);
}

static void put_head(struct wr *wr, const struct study *study)
{
    wr_printf(wr, "# The paper's tables, recipe `%s`\n\n", study->recipe);
    if (study_is_shortened(study)) {
        wr_text(wr, "**Shortened:**");
        if (study->iterations)
            wr_printf(wr, " %ju iterations a training;", (uintmax_t)study->iterations);
        if (study->trials)
            wr_printf(wr, " %ju trials an attack;", (uintmax_t)study->trials);
        wr_text(wr, " these are no results.\n\n");
    }
    wr_text(wr, "Accuracies on the test images in percent, differences to the paper in points. The "
                "runs' secret seeds\nfollow from their names: they can be repeated, and are no "
                "secret.\n\n");
}

static void put_table2(struct wr *wr, const struct study *study)
{
    const struct study_network *network;

    wr_text(wr, "## Table 2\n\nMean and standard deviation over seeds.\n\n"
                "| data | network | method | seeds | authorised | paper | difference | "
                "unauthorised | paper | difference |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; (network = study_network(i)); i++)
        for (int m = 0; m < STUDY_METHODS; m++) {
            struct study_cell cell = study_cell_of(study, network, (ward_method)m);

            wr_printf(wr, "| %s | %s | %s | %zu of %zu |", network->data, network->arch,
                      ward_method_name(cell.method), cell.n, cell.wanted);
            put_number(wr, &cell.authorised);
            put_number(wr, &cell.unauthorised);
            wr_text(wr, "\n");
        }
}

static void put_table3(struct wr *wr, const struct study *study)
{
    wr_text(wr, "\n## Table 3\n\nMean, standard deviation and best over trials; the best is chosen "
                "on the test images, as in the paper,\n*chosen* is what the adversary can choose. "
                "More than 5 points from the paper's mean are marked with an !.\n\n"
                "| attack | method | trials | mean | paper | difference | best | paper | chosen |\n"
                "|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < study->trials_count; i++) {
        struct study_row row = study_row_of(&study->attacks[i]);

        wr_printf(wr, "| %s%s | %s | %zu of %ju |", row.trials->attack->title,
                  row.is_far ? " !" : "", ward_method_name(row.trials->run->method), row.n,
                  (uintmax_t)row.trials->wanted);
        put_number(wr, &row.accuracy);
        put_percent(wr, row.best);
        put_percent(wr, row.paper_best);
        put_percent(wr, row.chosen);
        wr_text(wr, "\n");
    }
}

static void put_figure2(struct wr *wr, const struct study *study)
{
    wr_text(wr, "\n## Figure 2\n\nPerturbations of all test images, in units of the input.\n\n"
                "| case | data | network | method | root mean square | maximum |\n"
                "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < study->figure_count; i++) {
        const struct study_figure *f = &study->figures[i];

        for (int j = 0; j < STUDY_PROTECTED; j++) {
            wr_printf(wr, "| %c | %s | %s | %s |", f->network->figure, f->network->data,
                      f->network->arch, ward_method_name(f->runs[j]->method));
            if (f->is_done)
                wr_printf(wr, " %.4f | %.4f |\n", f->rms[j], f->max[j]);
            else
                wr_text(wr, " - | - |\n");
        }
    }
}

static void put_bars(struct wr *wr, const struct study *study)
{
    static const char *const verdicts[] = {"not yet known", "yes", "**no**"};
    struct study_bar bars[STUDY_BARS];

    study_bars(study, bars);
    wr_text(wr, "\n## What is asked of them\n\n| | holds | measured | met | nearest |\n"
                "|---|---|---|---|---|\n");
    for (int i = 0; i < STUDY_BARS; i++)
        wr_printf(wr, "| %s | %s | %zu of %zu | %zu | %s |\n", bars[i].text,
                  verdicts[study_bar_verdict(&bars[i])], bars[i].known, bars[i].count, bars[i].held,
                  bars[i].known ? bars[i].where : "-");
}

ward_status tables_markdown(const struct study *study, char **out)
{
    struct wr wr = WR_INIT;
    ward_status st;

    put_head(&wr, study);
    put_table2(&wr, study);
    put_table3(&wr, study);
    put_figure2(&wr, study);
    put_bars(&wr, study);
    wr.len -= wr.status ? 0 : 1; /* the last newline: whoever writes or prints it adds one */
    wr_u8(&wr, 0);
    st = wr_finish(&wr);
    if (!st) {
        *out = (char *)wr.data;
        wr = (struct wr)WR_INIT;
    }
    wr_release(&wr);
    return st;
}
