/* ward key: making keys, saying whose key opens a run, and what a run's own key is worth. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "key.h"
#include "keys.h"

static const struct cli_option options[] = {
    {OPT_TYPE, "type", "NAME",
     "new: user; owner, who also grants and signs; or lock, what a\n"
     "keyed transform follows from [user]"},
    {'o', "out", "FILE",
     "new, backup: where to write the key file; FILE.pub gets the\n"
     "public key [new: in the data folder]"},
    {OPT_PROTECT, "protect", "NAME",
     "new, backup, rotate: passphrase, tpm, or file, its mode alone\n[passphrase]"},
    {OPT_PCRS, "pcrs", "LIST", "tpm: what state of the machine it opens in [sha256:7]"},
    {OPT_PIN, "pin", NULL, "tpm: ask for a PIN, too; read as a new passphrase is"},
    {OPT_MEMORY, "memory", "MIB", "passphrase: what trying one costs, 1 .. 1024 [256]"},
    {OPT_PASSES, "passes", "N", "passphrase: the same, times the memory; 1 .. 1000 [3]"},
    {OPT_NAME, "name", "TEXT", "grant: what list calls the user"},
    {OPT_NEW_PASSPHRASE_FILE, "new-passphrase-file", "FILE",
     "the first line of it is the passphrase or PIN of the file\n"
     "that is written [asked for twice on the terminal]"},
    {OPT_NEW_PASSPHRASE_FD, "new-passphrase-fd", "N", "the same from an open descriptor"},
    {OPT_KEYS, "keys", "N", "report: random keys to try, 1 .. 1000000 [1000]"},
    {OPT_COUNT, "count", "N", "report: test images, spread over all of them [all]"},
    {OPT_SEED, "seed", "N", "report: of the random keys, public [1]"},
    {OPT_DATA, "data", "DATA", "report: the data set [what the run was trained on]"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_DEVICE,
    CLI_OPTION_THREADS,
    CLI_OPTION_FORCE,
    CLI_OPTION_JSON,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

enum { USERS_MAX = 4096 };

static const struct cli_command command = {
    .name = "key",
    .operands =
        "new | info | grant | revoke | list | rotate | backup | report [operands] [options]",
    .text = "  new                       make a pair of keys, or a lock key\n"
            "  info FILE                 say what a key file is, without opening it\n"
            "  grant RUN PUBLIC...       let users open a sealed run's transform, too\n"
            "  revoke RUN PUBLIC|NAME    seal it anew without a user\n"
            "  list RUN                  say who may open it, besides the owner\n"
            "  rotate [RUN...]           make a new owner key and hand runs over to it\n"
            "  backup --out FILE         write the key to another file, protected anew\n"
            "  report RUN                try wrong keys on the network of a run of method keyed\n\n"
            "PUBLIC is a public key, or a file that holds one. Revoking cannot take back what a\n"
            "user has opened already: see ward relock.",
    .options = options,
    .operands_min = 1,
    .operands_max = USERS_MAX,
};

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The public half beside a key file. */
static bool has_public(const char *path)
{
    char *name = NULL;
    bool is_found;

    if (asprintf(&name, "%s.pub", path) < 0)
        return false;
    is_found = is_there(name);
    free(name);
    return is_found;
}

/* ---- what is written ---- */

struct writing {
    ward_key_options options;
    struct passphrase secret;
};

/* --passphrase-file serves, too, where no key file is read. */
static int take_passphrase(const struct cli *cli, bool reads_none, const char *what,
                           struct writing *w)
{
    bool is_new = cli_has(cli, OPT_NEW_PASSPHRASE_FILE) || cli_has(cli, OPT_NEW_PASSPHRASE_FD);
    bool shares = reads_none && !is_new;
    int code;

    if (reads_none && is_new &&
        (cli_has(cli, CLI_PASSPHRASE_FILE) || cli_has(cli, CLI_PASSPHRASE_FD)))
        return cli_usage(cli, "no key is read here: one %s is enough", what);
    code = passphrase_new(cli, shares ? CLI_PASSPHRASE_FILE : OPT_NEW_PASSPHRASE_FILE,
                          shares ? CLI_PASSPHRASE_FD : OPT_NEW_PASSPHRASE_FD, what, &w->secret);
    w->options.passphrase = w->secret.text;
    w->options.passphrase_len = w->secret.len;
    return code;
}

/* Whoever names one believes that it protects the key. */
static int refuse_passphrase(const struct cli *cli, bool reads_none)
{
    static const int keys[] = {OPT_NEW_PASSPHRASE_FILE, OPT_NEW_PASSPHRASE_FD, CLI_PASSPHRASE_FILE,
                               CLI_PASSPHRASE_FD};
    size_t count = reads_none ? 4 : 2;

    for (size_t i = 0; i < count; i++)
        if (cli_has(cli, keys[i]))
            return cli_usage(cli, "--%s goes with --protect passphrase, or tpm with --pin",
                             cli_name(cli, keys[i]));
    return CLI_RUN;
}

static int take_protection(const struct cli *cli, bool reads_none, struct writing *w)
{
    static const char *const words[] = {"passphrase", "file", "tpm", NULL};
    static const ward_key_protection kinds[] = {WARD_PROTECT_PASSPHRASE, WARD_PROTECT_FILE,
                                                WARD_PROTECT_TPM};
    uint64_t memory = 0, passes = 0;
    size_t word = 0;

    if (!cli_word(cli, OPT_PROTECT, words, &word) ||
        !cli_count(cli, OPT_MEMORY, 1, 1024, &memory) ||
        !cli_count(cli, OPT_PASSES, 1, 1000, &passes))
        return CLI_USAGE;
    w->options = (ward_key_options){.protection = kinds[word],
                                    .memory_mib = (unsigned)memory,
                                    .passes = (unsigned)passes,
                                    .tpm = cli_text(cli, CLI_TPM),
                                    .pcrs = cli_text(cli, OPT_PCRS),
                                    .replaces = cli_has(cli, CLI_FORCE)};
    if (w->options.protection != WARD_PROTECT_TPM &&
        (cli_has(cli, OPT_PCRS) || cli_has(cli, OPT_PIN)))
        return cli_usage(cli, "--pcrs and --pin go with --protect tpm");
    if (w->options.protection != WARD_PROTECT_PASSPHRASE &&
        (cli_has(cli, OPT_MEMORY) || cli_has(cli, OPT_PASSES)))
        return cli_usage(cli, "--memory and --passes go with --protect passphrase");
    if (w->options.protection == WARD_PROTECT_PASSPHRASE)
        return take_passphrase(cli, reads_none, "passphrase", w);
    if (cli_has(cli, OPT_PIN))
        return take_passphrase(cli, reads_none, "PIN", w);
    return refuse_passphrase(cli, reads_none);
}

static int wrote(const struct cli *cli, const char *path)
{
    ward_key_info made;
    ward_status st = ward_key_describe(path, &made);
    bool is_lock = !st && made.type == WARD_KEY_LOCK;
    struct js js;

    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON)) {
        js_begin(&js, stdout);
        js_text(&js, "path", path);
        js_text(&js, is_lock ? "fingerprint" : "public_key", made.fingerprint);
        js_finish(&js);
    } else {
        printf("%s\n", made.fingerprint);
    }
    cli_talk(cli, "wrote '%s'; keep a copy elsewhere: %s", path,
             is_lock ? "nothing else gives the same transform again"
                     : "what is sealed to it opens with nothing else");
    return CLI_DONE;
}

/* WARD_ERR_EXISTS is answered as other commands do. */
static int write_failed(const struct cli *cli, ward_status st, const char *path)
{
    if (st == WARD_ERR_EXISTS)
        return cli_error(cli,
                         "'%s' or its public half is there already; --force overwrites both, and "
                         "what is sealed to it stays closed",
                         path);
    return cli_failed(cli, st);
}

/* ---- new, backup, info ---- */

/* In the order of ward_key_type and of ward_key_protection. */
static const char *const types[] = {"user", "owner", "lock", NULL};
static const char *const protections[] = {"file", "passphrase", "tpm"};

enum { PROTECTIONS = sizeof(protections) / sizeof(protections[0]) };

static int new_key(const struct cli *cli)
{
    char *path = NULL;
    struct writing w = {.secret = {.len = 0}};
    size_t type = WARD_KEY_USER;
    ward_status st = WARD_OK;
    int code;

    if (!cli_word(cli, OPT_TYPE, types, &type))
        return CLI_USAGE;
    if (!cli_has(cli, 'o'))
        st = ward_key_default_path((ward_key_type)type, &path);
    else if (!(path = strdup(cli_text(cli, 'o'))))
        return cli_error(cli, "out of memory");
    code = st ? cli_failed(cli, st) : CLI_RUN;
    if (code == CLI_RUN && !cli_has(cli, CLI_FORCE) &&
        (is_there(path) || (type != WARD_KEY_LOCK && has_public(path))))
        code = write_failed(cli, WARD_ERR_EXISTS, path); /* before a passphrase is asked for */
    if (code == CLI_RUN)
        code = take_protection(cli, true, &w);
    if (code == CLI_RUN) {
        st = ward_key_new(path, (ward_key_type)type, &w.options, NULL);
        code = st ? write_failed(cli, st, path) : wrote(cli, path);
    }
    passphrase_wipe(&w.secret);
    ward_string_free(path);
    return code;
}

static int backup(const struct cli *cli, ward_keys *keys)
{
    const char *path = cli_text(cli, 'o');
    struct writing w = {.secret = {.len = 0}};
    ward_status st;
    int code;

    if (!path)
        return cli_usage(cli, "--out is missing");
    code = take_protection(cli, false, &w);
    if (code == CLI_RUN) {
        st = ward_key_copy(keys, path, &w.options);
        code = st ? write_failed(cli, st, path) : wrote(cli, path);
    }
    passphrase_wipe(&w.secret);
    return code;
}

static void print_info(const ward_key_info *found)
{
    printf("type         %s\nfingerprint  %s\nprotection  ", types[found->type],
           found->fingerprint);
    for (unsigned i = 0; i < PROTECTIONS; i++)
        if (found->protections & 1u << i)
            printf(" %s", protections[i]);
    printf("%s\n", found->protections == 0 ? " none: it holds a public key" : "");
}

static void print_info_json(const ward_key_info *found)
{
    struct js js;

    js_begin(&js, stdout);
    js_text(&js, "type", types[found->type]);
    js_text(&js, "fingerprint", found->fingerprint);
    js_array(&js, "protection");
    for (unsigned i = 0; i < PROTECTIONS; i++)
        if (found->protections & 1u << i)
            js_text(&js, NULL, protections[i]);
    js_end(&js);
    js_finish(&js);
}

static int info(const struct cli *cli, ward_keys *keys)
{
    ward_key_info found;
    ward_status st = ward_key_describe(cli->operands[1], &found);

    (void)keys;
    if (st)
        return cli_failed(cli, st);
    if (cli_has(cli, CLI_JSON))
        print_info_json(&found);
    else
        print_info(&found);
    return CLI_DONE;
}

/* ---- grant, revoke, list ---- */

static int grant(const struct cli *cli, ward_keys *keys)
{
    size_t count = cli->operand_count - 2;
    char **users = calloc(count, sizeof(*users));
    ward_status st;
    int code = users ? CLI_RUN : cli_error(cli, "out of memory");

    for (size_t i = 0; i < count && code == CLI_RUN; i++)
        code = keys_public(cli, cli->operands[i + 2], &users[i]);
    if (code == CLI_RUN) {
        st = ward_run_grant(cli->operands[1], keys, (const char *const *)users, count,
                            cli_text(cli, OPT_NAME));
        code = st ? cli_failed(cli, st) : CLI_DONE;
    }
    if (code == CLI_DONE)
        printf("%s: granted to %zu\n", cli->operands[1], count);
    for (size_t i = 0; i < count && users; i++)
        ward_string_free(users[i]);
    free(users);
    return code;
}

/* A user may be called as a file that is there. */
static bool is_file_name(const char *text)
{
    size_t len = strlen(text);

    return strchr(text, '/') || (len > 4 && strcmp(text + len - 4, ".pub") == 0);
}

static int revoke_user(const struct cli *cli, ward_keys *keys)
{
    const char *run = cli->operands[1], *given = cli->operands[2];
    char *from_file = NULL;
    ward_status st;

    if (is_file_name(given) && !keys_is_public(given) && access(given, R_OK) == 0) {
        int code = keys_public(cli, given, &from_file);

        if (code != CLI_RUN)
            return code;
    }
    st = ward_run_revoke(run, keys, from_file ? from_file : given);
    ward_string_free(from_file);
    if (st)
        return cli_failed(cli, st);
    printf("%s: sealed anew without the user\n", run);
    cli_talk(cli,
             "a copy of the transform that was opened before is not taken back; if you fear "
             "one, make a new transform: ward relock %s",
             run);
    return CLI_DONE;
}

static void print_grants(const struct cli *cli, const ward_grant *grants, size_t count)
{
    struct js js;

    if (!cli_has(cli, CLI_JSON)) {
        for (size_t i = 0; i < count; i++)
            printf("%s  %s  %s\n", grants[i].date, grants[i].public_key, grants[i].name);
        return;
    }
    js_begin(&js, stdout);
    js_array(&js, "users");
    for (size_t i = 0; i < count; i++) {
        js_object(&js, NULL);
        js_text(&js, "public_key", grants[i].public_key);
        js_text(&js, "date", grants[i].date);
        js_text(&js, "name", strcmp(grants[i].name, "-") == 0 ? NULL : grants[i].name);
        js_end(&js);
    }
    js_finish(&js);
}

static int list(const struct cli *cli, ward_keys *keys)
{
    ward_grant *grants = NULL;
    size_t count = 0;
    ward_status st = ward_run_grants(cli->operands[1], keys, &grants, &count);

    if (st)
        return cli_failed(cli, st);
    print_grants(cli, grants, count);
    ward_grants_free(grants);
    return CLI_DONE;
}

/* ---- rotate ---- */

static int move(const struct cli *cli, const char *path, const char *ending, const char *to,
                const char *to_ending)
{
    char *from_name = NULL, *to_name = NULL;
    int code = CLI_RUN;

    if (asprintf(&from_name, "%s%s", path, ending) < 0)
        from_name = NULL;
    if (asprintf(&to_name, "%s%s", to, to_ending) < 0)
        to_name = NULL;
    if (!from_name || !to_name)
        code = cli_error(cli, "out of memory");
    else if (is_there(from_name) && rename(from_name, to_name) != 0)
        code = cli_error(cli, "cannot rename '%s': %s", from_name, strerror(errno));
    free(from_name);
    free(to_name);
    return code;
}

/* "FILE.old", or "FILE.old2" and so on: an older key that runs still need is never overwritten. */
static char *free_name(const char *path)
{
    for (unsigned n = 1; n < 1000; n++) {
        char *name = NULL;

        if ((n == 1 ? asprintf(&name, "%s.old", path) : asprintf(&name, "%s.old%u", path, n)) < 0)
            return NULL;
        if (!is_there(name))
            return name;
        free(name);
    }
    return NULL;
}

static int put_aside(const struct cli *cli, const char *path)
{
    char *old = free_name(path);
    int code = old ? CLI_RUN : cli_error(cli, "no name is free beside '%s'", path);

    if (code == CLI_RUN)
        code = move(cli, path, ".pub", old, ".pub");
    if (code == CLI_RUN)
        code = move(cli, path, "", old, "");
    if (code == CLI_RUN)
        cli_talk(cli, "the old key is '%s': runs that were not named still need it", old);
    free(old);
    return code;
}

/* The new key file comes last: while it is under its own name, there is something left to do. */
static int exchange(const struct cli *cli, const char *path, const char *next)
{
    int code = is_there(path) ? put_aside(cli, path) : CLI_RUN;

    if (code == CLI_RUN)
        code = move(cli, next, ".pub", path, ".pub");
    if (code == CLI_RUN)
        code = move(cli, next, "", path, "");
    return code;
}

struct rotation {
    const struct cli *cli;
    ward_keys *keys;
    char *path, *next; /* of the old key file and the new one */
    struct writing w;
};

static int make_next(struct rotation *r)
{
    ward_status st;
    int code;

    if (is_there(r->next)) {
        cli_talk(r->cli, "going on with '%s'", r->next);
        return CLI_RUN;
    }
    code = take_protection(r->cli, false, &r->w);
    if (code != CLI_RUN)
        return code;
    r->w.options.replaces = false;
    st = ward_key_new(r->next, WARD_KEY_OWNER, &r->w.options, NULL);
    return st ? cli_failed(r->cli, st) : CLI_RUN;
}

/* The passphrase that was given for the new key, or whatever opens one that was there. */
static bool ask_next(void *context, const char *path, bool is_pin, char *out, size_t max,
                     size_t *len)
{
    struct rotation *r = context;

    (void)path;
    if (r->w.secret.len == 0 &&
        passphrase_new(r->cli, OPT_NEW_PASSPHRASE_FILE, OPT_NEW_PASSPHRASE_FD,
                       is_pin ? "PIN" : "passphrase", &r->w.secret) != CLI_RUN)
        return false;
    if (r->w.secret.len > max)
        return false;
    memcpy(out, r->w.secret.text, r->w.secret.len);
    *len = r->w.secret.len;
    return true;
}

/* What would be put aside, or in its place, before anything is written. */
static int check_owner(const struct cli *cli, const char *path)
{
    ward_key_info found;
    ward_status st = ward_key_describe(path, &found);

    if (st)
        return cli_failed(cli, st);
    if (found.type == WARD_KEY_OWNER && found.protections)
        return CLI_RUN;
    cli_error(cli, "'%s' is no owner's key file", path);
    return CLI_DENIED;
}

/* With the old key put aside, all runs have to be the next one's already. */
static int hand_over(struct rotation *r)
{
    ward_keys_options opening = {
        .identity = r->next, .ask = ask_next, .context = r, .tpm = cli_text(r->cli, CLI_TPM)};
    ward_keys *next = NULL;
    ward_status st = ward_keys_new(&next, &opening);

    for (size_t i = 1; i < r->cli->operand_count && !st; i++)
        st = ward_run_rotate(r->cli->operands[i], is_there(r->path) ? r->keys : next, next);
    ward_keys_free(next);
    return st ? cli_failed(r->cli, st) : CLI_RUN;
}

/*
 * A new pair beside the old one, each run handed over, then the files exchanged: FILE.new is the
 * next key while this is under way, so that the same command again completes it.
 */
static int rotate(const struct cli *cli, ward_keys *keys)
{
    struct rotation r = {.cli = cli, .keys = keys};
    int code = keys_owner_path(cli, &r.path);

    if (code == CLI_RUN && asprintf(&r.next, "%s.new", r.path) < 0) {
        r.next = NULL;
        code = cli_error(cli, "out of memory");
    }
    if (code == CLI_RUN && !is_there(r.path) && !is_there(r.next))
        code = cli_error(cli, "there is no key '%s'", r.path);
    if (code == CLI_RUN && is_there(r.path))
        code = check_owner(cli, r.path);
    if (code == CLI_RUN && is_there(r.next))
        code = check_owner(cli, r.next);
    if (code == CLI_RUN && is_there(r.path)) /* else killed within the exchange */
        code = make_next(&r);
    if (code == CLI_RUN)
        code = hand_over(&r);
    if (code == CLI_RUN)
        code = exchange(cli, r.path, r.next);
    if (code == CLI_RUN) {
        printf("%s: new, of %zu runs\n", r.path, cli->operand_count - 1);
        code = CLI_DONE;
    }
    passphrase_wipe(&r.w.secret);
    free(r.next);
    ward_string_free(r.path);
    return code;
}

/* ---- the table of verbs ---- */

static int make_key(const struct cli *cli, ward_keys *keys)
{
    (void)keys;
    return new_key(cli);
}

enum verb_id { NEW, INFO, GRANT, REVOKE, LIST, ROTATE, BACKUP, REPORT, VERB_COUNT };

static const struct verb {
    const char *name;
    size_t operands_min, operands_max; /* after the verb */
    int (*run)(const struct cli *cli, ward_keys *keys);
    bool wants_keys;   /* opened before, of the options */
    const char *needs; /* NULL: no operand */
} verbs[VERB_COUNT] = {
    [NEW] = {"new", 0, 0, make_key, false, NULL},
    [INFO] = {"info", 1, 1, info, true, "a key file"},
    [GRANT] = {"grant", 2, USERS_MAX, grant, true, "a run and public keys"},
    [REVOKE] = {"revoke", 2, 2, revoke_user, true, "a run and a user"},
    [LIST] = {"list", 1, 1, list, true, "a run"},
    [ROTATE] = {"rotate", 0, USERS_MAX, rotate, true, "runs"},
    [BACKUP] = {"backup", 0, 0, backup, true, NULL},
    [REPORT] = {"report", 1, 1, key_report, true, "a run"},
};

enum { PROTECTING = 1 << NEW | 1 << ROTATE | 1 << BACKUP };

/* What goes with some verbs only. */
static const struct {
    int key;
    unsigned verbs; /* bits by enum verb_id */
} scopes[] = {
    {OPT_TYPE, 1 << NEW},
    {'o', 1 << NEW | 1 << BACKUP},
    {OPT_PROTECT, PROTECTING},
    {OPT_PCRS, PROTECTING},
    {OPT_PIN, PROTECTING},
    {OPT_MEMORY, PROTECTING},
    {OPT_PASSES, PROTECTING},
    {OPT_NAME, 1 << GRANT},
    {OPT_NEW_PASSPHRASE_FILE, PROTECTING},
    {OPT_NEW_PASSPHRASE_FD, PROTECTING},
    {OPT_KEYS, 1 << REPORT},
    {OPT_COUNT, 1 << REPORT},
    {OPT_SEED, 1 << REPORT},
    {OPT_DATA, 1 << REPORT},
    {CLI_FORCE, 1 << NEW | 1 << BACKUP},
    {CLI_JSON, 1 << NEW | 1 << BACKUP | 1 << INFO | 1 << LIST | 1 << REPORT},
};

enum { NAMES_LEN = 96 };

static const char *verb_names(unsigned which, char names[NAMES_LEN])
{
    size_t len = 0;

    for (size_t i = 0; i < VERB_COUNT; i++)
        if (which >> i & 1)
            len += (size_t)snprintf(names + len, NAMES_LEN - len, "%s%s", len ? ", " : "",
                                    verbs[i].name);
    return names;
}

static int check_scopes(const struct cli *cli, enum verb_id verb)
{
    char names[NAMES_LEN];

    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
        if (cli_has(cli, scopes[i].key) && !(scopes[i].verbs >> verb & 1))
            return cli_usage(cli, "--%s means nothing with %s, only with %s",
                             cli_name(cli, scopes[i].key), verbs[verb].name,
                             verb_names(scopes[i].verbs, names));
    return CLI_RUN;
}

static int run_verb(const struct cli *cli, enum verb_id which)
{
    const struct verb *verb = &verbs[which];
    size_t count = cli->operand_count - 1;
    ward_keys *keys = NULL;
    int code;

    if (!verb->needs && count > 0)
        return cli_usage(cli, "unexpected operand '%s'", cli->operands[1]);
    if (count < verb->operands_min || count > verb->operands_max)
        return cli_usage(cli, "%s takes %s", verb->name, verb->needs);
    code = check_scopes(cli, which);
    if (code == CLI_RUN && verb->wants_keys)
        code = keys_open(cli, &keys);
    if (code == CLI_RUN)
        code = verb->run(cli, keys);
    ward_keys_free(keys);
    return code;
}

int cmd_key(int argc, char **argv)
{
    char names[NAMES_LEN];
    struct cli cli;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code != CLI_RUN)
        return code;
    for (int verb = 0; verb < VERB_COUNT; verb++)
        if (strcmp(cli.operands[0], verbs[verb].name) == 0)
            return run_verb(&cli, (enum verb_id)verb);
    return cli_usage(&cli, "'%s' is none of %s", cli.operands[0],
                     verb_names((1U << VERB_COUNT) - 1, names));
}
