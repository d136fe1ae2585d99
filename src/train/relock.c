/*
 * A new G for a run whose old one has leaked: F goes on from where it is, with another transform,
 * and learns to answer images under the old one as badly as raw ones (train/leaked.h); left to
 * itself it would keep answering them. What the old one is worth then is measured. Whoever has a
 * copy of the old F keeps what he has.
 */
#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "key/keys.h"
#include "model/run.h"
#include "model/run_dir.h"
#include "model/run_keys.h"
#include "train/settings.h"
#include "ward/train.h"

enum { SHARE = 4 }; /* of the run's own iterations: one in so many */

/* As many rows under the old transform as raw ones, beside the run's own. A run that was relocked
 * itself has them. */
static double raw_share(const ward_train_config *c)
{
    return c->leaked ? c->raw_share : fmin(fmax(2 * c->raw_share, 2.0 / (double)c->batch), 1);
}

static uint64_t iterations(const ward_train_config *c)
{
    return c->leaked ? c->iterations : (c->iterations + SHARE - 1) / SHARE;
}

struct relock {
    const ward_relock_options *options;
    struct run_config config; /* the old run's, and then the new one's */
    ward_run *old;
    char owner[PUBLIC_TEXT_MAX];
    struct run_users had; /* of the old run, when this began */
    char *users;          /* the public keys of those who stay, with a blank between; owned */
};

/* The users of a sealed run but one. */
static ward_status take_users(struct relock *r)
{
    const char *without = r->options->without;
    size_t left_out = 0;
    struct wr text = WR_INIT;
    ward_status st = run_users_read(r->options->run, r->options->keys, &r->had);

    if (st)
        return st;
    for (size_t i = 0; i < r->had.list.count; i++) {
        const struct grant *grant = &r->had.list.items[i];
        char user[PUBLIC_TEXT_MAX];

        grant_format_key(grant, user);
        if (without && (strcmp(without, user) == 0 || strcmp(without, grant->name) == 0))
            left_out++;
        else
            wr_printf(&text, "%s%s", text.len > 0 ? " " : "", user);
    }
    wr_u8(&text, 0);
    st = wr_finish(&text);
    if (!st && without && left_out == 0)
        st = ward_fail(WARD_ERR_ARG, "no user '%s' is on the list", without);
    if (!st && text.len > 1)
        st = mem_strdup(&r->users, (const char *)text.data);
    wr_release(&text);
    return st;
}

static ward_status open_old(struct relock *r)
{
    const ward_relock_options *o = r->options;
    const struct identity *owner;
    struct run_dir dir = {.path = NULL};
    ward_run_info info;
    ward_status st = ward_run_open_with(&r->old, o->run, o->keys);

    if (st)
        return st;
    ward_run_describe(r->old, &info);
    if (!info.has_transform)
        return ward_fail(WARD_ERR_ARG, "'%s' has no transform that could leak", o->run);
    st = keys_owner(o->keys, &owner);
    if (!st)
        public_key_format(&owner->public, r->owner);
    if (!st)
        st = run_dir_init(&dir, o->run);
    if (!st)
        st = run_config_read(&dir, &r->config);
    if (!st && r->config.values.owner)
        st = take_users(r);
    else if (!st && o->without)
        st = ward_fail(WARD_ERR_ARG, "'%s' is not sealed: it has no users", o->run);
    run_dir_release(&dir);
    return st;
}

/* To go on in place would leave nothing of the old run to go on from. */
static ward_status check_place(const ward_relock_options *o)
{
    struct stat run, out;

    if (stat(o->run, &run) == 0 && stat(o->out, &out) == 0 && run.st_dev == out.st_dev &&
        run.st_ino == out.st_ino)
        return ward_fail(WARD_ERR_ARG, "'%s' is the run itself: relock into another directory",
                         o->out);
    return WARD_OK;
}

/* What is there already goes on for the users that it began with, whoever they are. */
static ward_status check_users(const struct relock *r)
{
    const char *users = r->users ? r->users : "", *theirs;
    struct run_dir dir = {.path = NULL};
    struct run_config made = {.data = NULL};
    ward_status st = run_dir_init(&dir, r->options->out);

    if (!st && file_exists(dir.config)) {
        st = run_config_read(&dir, &made);
        theirs = made.values.recipients ? made.values.recipients : "";
        if (!st && strcmp(users, theirs) != 0)
            st = ward_fail(WARD_ERR_EXISTS,
                           "'%s' is there already, for other users: relock into "
                           "another directory",
                           r->options->out);
    }
    run_config_release(&made);
    run_dir_release(&dir);
    return st;
}

static ward_status train(struct relock *r, ward_device *device)
{
    const ward_relock_options *o = r->options;
    const ward_train_options options = {.out = o->out,
                                        .is_resumed = true,
                                        .progress = o->progress,
                                        .context = o->context,
                                        .keys = o->keys};
    ward_train_config config = r->config.values;

    config.raw_share = raw_share(&config);
    config.iterations = o->iterations ? o->iterations : iterations(&config);
    config.from = o->run;
    config.from_digest = NULL;
    config.leaked = o->run;
    config.secret_seed = NULL;
    config.lock = NULL;
    config.owner = r->owner;
    config.recipients = r->users;
    if (o->rate != 0)
        config.rate = o->rate;
    return ward_train(device, &config, &options);
}

static ward_status evaluate(const ward_run *run, ward_device *device, const ward_dataset *data,
                            ward_evaluation *out)
{
    return ward_evaluate(run, device, data, WARD_SPLIT_TEST, false, out, NULL, NULL);
}

/* The new F with its own G, and with the old one. */
static ward_status measure(const struct relock *r, ward_device *device, ward_relock_result *out)
{
    ward_evaluation own = {.count = 0}, leaked = {.count = 0};
    ward_run *made = NULL;
    ward_dataset *data = NULL;
    struct ward_run mixed;
    ward_status st = ward_run_open_with(&made, r->options->out, r->options->keys);

    if (!st)
        st = ward_dataset_open(&data, r->config.values.data);
    if (!st)
        st = evaluate(made, device, data, &own);
    if (!st) {
        mixed = *made; /* both are borrowed: nothing of it is released */
        mixed.transform = r->old->transform;
        mixed.owner = r->old->owner;
        st = evaluate(&mixed, device, data, &leaked);
        mem_wipe(&mixed, sizeof mixed);
    }
    if (!st)
        *out = (ward_relock_result){.old_transform = leaked.authorised,
                                    .authorised = own.authorised,
                                    .unauthorised = own.unauthorised,
                                    .chance = own.chance,
                                    .count = own.count};
    ward_evaluation_release(&own);
    ward_evaluation_release(&leaked);
    ward_dataset_free(data);
    ward_run_close(made);
    return st;
}

/* Users keep their names and terms. */
static ward_status seal(const struct relock *r)
{
    const ward_relock_options *o = r->options;

    return r->config.values.owner ? run_seal_like(o->out, o->run, &r->had, o->keys)
                                  : ward_run_seal(o->out, o->keys, NULL, NULL);
}

ward_status ward_relock(ward_device *device, const ward_relock_options *options,
                        ward_relock_result *out)
{
    struct relock r = {.options = options};
    ward_relock_result found;
    ward_status st = check_place(options);

    if (!st)
        st = open_old(&r);
    if (!st)
        st = check_users(&r);
    if (!st)
        st = train(&r, device);
    if (!st)
        st = measure(&r, device, &found);
    if (!st)
        st = seal(&r);
    if (!st)
        *out = found;
    ward_run_close(r.old);
    run_config_release(&r.config);
    grants_release(&r.had.list);
    mem_free(r.users);
    return st;
}
