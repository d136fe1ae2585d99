/* Everything around the trials of an attack: see campaign.h. */
#include "attack/campaign.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "model/run.h"

enum { MAX_FILE = 1 << 28 };

static const uint64_t max_seed = UINT64_C(1) << 53, max_steps = 10000000;

/* ---- settings ---- */

static ward_status refuse(const char *what, double value)
{
    return ward_fail(WARD_ERR_ARG, "%s of %g: out of range", what, value);
}

static ward_status settings_check(const ward_attack_settings *s)
{
    if (s->trials < 1 || s->trials > ATTACK_MAX_TRIALS)
        return ward_fail(WARD_ERR_ARG, "%ju trials: not within 1 .. %d", (uintmax_t)s->trials,
                         ATTACK_MAX_TRIALS);
    if (!(s->uses & WARD_ATTACK_USES_TRIALS) && s->trials != 1)
        return ward_fail(WARD_ERR_ARG, "'%s' has one trial only", s->attack);
    if (s->seed > max_seed)
        return ward_fail(WARD_ERR_ARG, "seed %ju: larger than 2^53", (uintmax_t)s->seed);
    if (s->uses & WARD_ATTACK_USES_PATTERN && !(s->sigma > 0 && s->sigma <= 1e6))
        return refuse("sigma", s->sigma);
    if (s->uses & WARD_ATTACK_USES_PATTERN && !(s->p >= 0 && s->p <= 0.5))
        return refuse("p", s->p);
    if (s->uses & WARD_ATTACK_USES_PAIRS && !(s->pairs > 0 && s->pairs <= 1))
        return refuse("a share of pairs", s->pairs);
    if (s->uses & WARD_ATTACK_USES_FIT && (s->steps < 1 || s->steps > max_steps))
        return refuse("steps", (double)s->steps);
    if (s->uses & WARD_ATTACK_USES_FIT && !(s->rate > 0 && s->rate <= 1e6))
        return refuse("rate", s->rate);
    return WARD_OK;
}

static size_t pair_count_of(const struct campaign *c)
{
    size_t images = ward_dataset_get_info(c->data)->train_count;

    if (!(c->attack->holds & HOLDS_PAIRS))
        return 0;
    return c->attack->pair_count ? c->attack->pair_count
                                 : pairs_count(c->result.settings.pairs, images);
}

static void describe(struct campaign *c, const ward_attack_settings *settings)
{
    const ward_dataset_info *info = ward_dataset_get_info(c->data);
    const struct model *m = &c->run->model;

    c->subject = (struct subject){.model_id = m->id,
                                  .arch = m->net.spec.arch,
                                  .data = info->name,
                                  .device = ward_device_name(c->device),
                                  .method = m->method,
                                  .count = info->test_count,
                                  .classes = info->classes};
    c->result.settings = *settings;
    c->result.settings.attack = c->attack->name;
    c->result.settings.uses = c->attack->uses;
    c->result.note = c->attack->note;
    c->result.chance = 1.0 / (double)info->classes;
    c->result.count = info->test_count;
    c->result.pair_count = pair_count_of(c);
}

/* ---- the file ---- */

/* One file an attack; those with different shares of pairs are different attacks. */
static ward_status name_file(struct campaign *c)
{
    const ward_attack_settings *s = &c->result.settings;

    if (s->uses & WARD_ATTACK_USES_PAIRS)
        return mem_printf(&c->path, "%s/%s-%g.json", c->options->directory, s->attack, s->pairs);
    return mem_printf(&c->path, "%s/%s.json", c->options->directory, s->attack);
}

static ward_status read_file(struct campaign *c)
{
    uint8_t *text = NULL;
    size_t len = 0;
    ward_status st = file_read(c->path, MAX_FILE, &text, &len);

    if (st)
        return st;
    st = result_from_json(&c->result, &c->subject, (const char *)text, len);
    if (st)
        st = ward_fail_within(st, "'%s'", c->path);
    mem_free(text);
    return st;
}

static ward_status open_file(struct campaign *c)
{
    const char *directory = c->options->directory;
    ward_status st;

    if (!directory)
        return WARD_OK;
    st = name_file(c);
    if (!st)
        st = file_make_directory(directory);
    if (!st)
        st = file_lock(directory, &c->lock);
    if (!st)
        st = file_sweep(c->path);
    if (!st && file_exists(c->path) && !c->options->replaces)
        st = read_file(c);
    return st;
}

ward_status campaign_save(struct campaign *c)
{
    ward_attack_result *r = &c->result;
    uint64_t trials = r->settings.trials;
    char *text = NULL;
    size_t len;
    ward_status st;

    if (!c->path)
        return WARD_OK;
    result_finish(r);
    /* Trials beyond those asked for now stay in the file. */
    if (r->trials[r->trial_count - 1].number >= trials)
        r->settings.trials = r->trials[r->trial_count - 1].number + 1;
    st = result_to_json(r, &c->subject, 1, &text);
    r->settings.trials = trials;
    if (st)
        return st;
    len = strlen(text);
    text[len] = '\n'; /* in place of the NUL, so that the file ends as a text file does */
    st = file_write(c->path, text, len + 1, FILE_REPLACE);
    mem_free(text);
    return st;
}

/* ---- the accuracies to compare with ---- */

static bool tell(const struct campaign *c, const char *event)
{
    const ward_attack_settings *settings = &c->result.settings;
    ward_attack_progress progress = {.settings = settings,
                                     .trials = settings->trials,
                                     .seconds_a_trial = (double)NAN,
                                     .seconds_left = (double)NAN,
                                     .event = event};

    return !c->options->progress || c->options->progress(c->options->context, &progress);
}

static bool still_wanted(void *context, size_t done, size_t count)
{
    (void)done;
    (void)count;
    return tell(context, NULL);
}

static ward_status compare(struct campaign *c)
{
    const ward_attack_result *reference = c->options->reference;
    ward_evaluation e;
    ward_status st;

    if (reference) {
        c->result.authorised = reference->authorised;
        c->result.unauthorised = reference->unauthorised;
        return WARD_OK;
    }
    st = ward_evaluate(c->run, c->device, c->data, WARD_SPLIT_TEST, false, &e, still_wanted, c);
    if (st)
        return st;
    c->result.authorised = e.authorised;
    c->result.unauthorised = e.unauthorised;
    ward_evaluation_release(&e);
    return WARD_OK;
}

/* ---- an attack ---- */

static ward_status campaign_open(struct campaign *c, const ward_attack_settings *settings)
{
    ward_status st = attack_find(&c->attack, settings->attack, c->run);

    if (st)
        return st;
    describe(c, settings);
    st = settings_check(&c->result.settings);
    if (!st)
        st = run_fits(c->run, c->data);
    return st ? st : open_file(c);
}

/* Trials that were there before, then those that were not. */
static ward_status campaign_run(struct campaign *c)
{
    size_t there = c->result.trial_count;
    char event[64];
    ward_status st = WARD_OK;

    if (there > 0) {
        snprintf(event, sizeof event, "%zu trial%s of '%s' %s there already", there,
                 there == 1 ? "" : "s", c->attack->name, there == 1 ? "is" : "are");
        if (!tell(c, event))
            return ward_fail(WARD_ERR_STOPPED, "the attack was stopped");
    } else {
        st = compare(c);
    }
    return st ? st : campaign_work(c);
}

static ward_status campaign_finish(struct campaign *c)
{
    result_cut(&c->result, c->result.settings.trials);
    result_finish(&c->result);
    return result_to_json(&c->result, &c->subject, 0, &c->result.json);
}

ward_status ward_attack(const ward_run *run, ward_device *device, const ward_dataset *data,
                        const ward_attack_settings *settings, const ward_attack_options *options,
                        ward_attack_result *out)
{
    struct campaign c = {
        .run = run, .device = device, .data = data, .options = options, .lock = -1};
    ward_status st = campaign_open(&c, settings);

    if (!st)
        st = campaign_run(&c);
    if (!st)
        st = campaign_finish(&c);
    if (!st) {
        *out = c.result;
        c.result = (ward_attack_result){.trials = NULL};
    }
    ward_attack_result_release(&c.result);
    file_unlock(c.lock);
    mem_free(c.path);
    return st;
}
