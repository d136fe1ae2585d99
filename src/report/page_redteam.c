/* What both forms of a page say of the red team: see page.h. */
#include <inttypes.h>
#include <math.h>

#include "report/page.h"

bool page_has_redteam(const struct page *page)
{
    for (size_t i = 0; i < page->runs->count; i++)
        if (page->runs->items[i].redteam_count > 0)
            return true;
    return false;
}

const char page_redteam_words[] =
    "What somebody reaches who holds a network and knows how to train, without its transform, "
    "beside what the same images are worth without the network (scratch). Adv is the difference: "
    "what the network saves a thief. Accuracies are of test images, means over adversaries. A flag "
    "is a sign that a figure does not mean what it seems to.";

void page_redteam_title(struct wr *wr, const struct report_run *r, text_escape *escape)
{
    escape(wr, data_title(r->data));
    wr_text(wr, ", ");
    escape(wr, r->arch);
    wr_printf(wr, ": %s, ", ward_method_name(r->method));
    escape(wr, r->settings.label);
    wr_printf(wr, ", seed %" PRIu64, r->settings.seed);
}

const char *page_knowledge(enum redteam_knowledge knows)
{
    static const char *const names[REDTEAM_KNOWLEDGE_COUNT] = {
        "", "labelled images", "images without labels", "pairs", "answers of the service"};

    return names[knows];
}

void page_amount(struct wr *wr, double amount, enum redteam_knowledge knows)
{
    bool is_one_pair = knows == REDTEAM_PAIRS && amount < 2;

    text_count(wr, amount);
    wr_printf(wr, " %s", is_one_pair ? "pair" : page_knowledge(knows));
}

/* ---- figures ---- */

static void write_percent(struct wr *wr, double fraction)
{
    text_fixed(wr, 100 * fraction, 2);
    if (isfinite(fraction))
        wr_text(wr, " %");
}

/* Needed: of the smallest amount that was tried less may do; or more than the largest. */
static void write_needs(struct wr *wr, const struct redteam_scores *s, double labels)
{
    if (isfinite(labels) || s->gains.count == 0 || isnan(s->authorised)) {
        if (s->gains.count > 0 && labels > 0 && labels <= s->gains.items[0].amount)
            wr_text(wr, "at most ");
        text_count(wr, labels);
        return;
    }
    wr_text(wr, "more than ");
    text_count(wr, s->gains.items[s->gains.count - 1].amount);
}

static void write_authorised(struct wr *wr, const struct redteam_scores *s)
{
    write_percent(wr, s->authorised);
}

static void write_unauthorised(struct wr *wr, const struct redteam_scores *s)
{
    write_percent(wr, s->unauthorised);
}

static void write_chance(struct wr *wr, const struct redteam_scores *s)
{
    write_percent(wr, s->chance);
}

static void write_distance(struct wr *wr, const struct redteam_scores *s)
{
    text_fixed(wr, 100 * s->from_chance, 2);
    if (isfinite(s->from_chance))
        wr_text(wr, " points");
}

static void write_needs_attack(struct wr *wr, const struct redteam_scores *s)
{
    write_needs(wr, s, s->needs_attack);
}

static void write_needs_scratch(struct wr *wr, const struct redteam_scores *s)
{
    write_needs(wr, s, s->needs_scratch);
}

static void write_ratio(struct wr *wr, const struct redteam_scores *s)
{
    if (isfinite(s->needs_ratio) && s->ratio_is_bound)
        wr_text(wr, "at most ");
    text_fixed(wr, s->needs_ratio, 3);
}

static void write_readout(struct wr *wr, const struct redteam_scores *s)
{
    write_percent(wr, s->readout);
}

static void write_readout_control(struct wr *wr, const struct redteam_scores *s)
{
    write_percent(wr, s->readout_control);
}

static void write_without_labels(struct wr *wr, const struct redteam_scores *s)
{
    write_percent(wr, *s->without_labels ? s->without_labels_accuracy : (double)NAN);
    if (*s->without_labels)
        wr_printf(wr, " (%s)", s->without_labels);
}

static void write_cost(struct wr *wr, const struct redteam_scores *s)
{
    text_fixed(wr, s->cost, 2);
    if (isfinite(s->cost))
        wr_text(wr, " of the owner's training");
}

static const struct {
    const char *name;
    void (*write)(struct wr *wr, const struct redteam_scores *s);
} figures[] = {
    {"authorised", write_authorised},
    {"unauthorised, without any attack", write_unauthorised},
    {"chance", write_chance},
    {"unauthorised, distance from chance", write_distance},
    {"read off F's answers", write_readout},
    {"read off a random network's", write_readout_control},
    {"best attack without labels", write_without_labels},
    {"k*, labels to come within a point of authorised", write_needs_attack},
    {"k* without F", write_needs_scratch},
    {"ratio of the two; 1 is a perfect lock, 0 none", write_ratio},
    {"images shown by the best attack", write_cost},
};

enum { FIGURES = sizeof figures / sizeof figures[0] };

const char *page_figure_name(size_t i)
{
    return i < FIGURES ? figures[i].name : NULL;
}

void page_figure_value(struct wr *wr, const struct redteam_scores *s, size_t i, text_escape *escape)
{
    struct wr plain = WR_INIT;

    figures[i].write(&plain, s);
    wr_u8(&plain, 0);
    if (!wr->status)
        wr->status = wr_finish(&plain);
    if (!wr->status)
        escape(wr, (const char *)plain.data);
    wr_release(&plain);
}

void page_gain_interval(struct wr *wr, const struct redteam_gain *gain)
{
    text_signed(wr, 100 * gain->low, 2);
    if (!isfinite(gain->low))
        return;
    wr_text(wr, " to ");
    text_signed(wr, 100 * gain->high, 2);
}

void page_gain_spread(struct wr *wr, const struct redteam_gain *gain)
{
    if (!isfinite(gain->deviation) || !isfinite(gain->highest))
        return;
    wr_text(wr, " ± ");
    text_fixed(wr, 100 * gain->deviation, 2);
    wr_text(wr, ", best ");
    text_fixed(wr, 100 * gain->highest, 2);
}

/* ---- what it is of ---- */

void page_redteam_basis(struct wr *wr, const struct redteam_scores *s)
{
    wr_printf(wr, "Suite v1, budget %s, seed %" PRIu64 "; ", s->budget, s->seed);
    text_count(wr, s->test_count);
    wr_text(wr, " test images score what was chosen on ");
    text_count(wr, s->choice_count);
    wr_printf(wr, " others. Adversaries hold images that the network was %strained on.",
              s->is_disjoint ? "not " : "");
    if (s->is_partial)
        wr_text(wr, " Attacks of this budget are missing.");
}

void page_redteam_command(struct wr *wr, const struct redteam_scores *s)
{
    wr_printf(wr, "ward attack RUN --budget %s%s --seed %" PRIu64, s->budget,
              s->holds_own ? " --own-images" : "", s->seed);
}
