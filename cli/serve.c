/* ward serve: a run behind the Open Inference Protocol. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli.h"
#include "keys.h"

enum option_key {
    OPT_LISTEN = CLI_LONG,
    OPT_NAME,
    OPT_TOKENS,
    OPT_OPEN,
    OPT_SCORES,
    OPT_TRANSFORM_ONLY,
    OPT_ACCEPT,
    OPT_METER,
    OPT_AUDIT,
    OPT_AUDIT_SYNC,
    OPT_CERT,
    OPT_KEY,
    OPT_CLIENT_CA,
    OPT_PLAINTEXT,
    OPT_STRICT,
    OPT_BATCH,
    OPT_REQUEST_MAX,
    OPT_QUEUE,
    OPT_CONNECTIONS,
    OPT_PER_ADDRESS,
    OPT_TIMEOUT,
    OPT_DRAIN,
    OPT_HTTP_THREADS
};

static const struct cli_option options[] = {
    {OPT_LISTEN, "listen", "WHERE",
     "ADDRESS:PORT (port 0: a free one) or unix:PATH\n"
     "[systemd's socket, or 127.0.0.1:8080]"},
    {OPT_NAME, "name", "NAME", "the model's name in paths [the run's last part]"},
    {OPT_TOKENS, "tokens", "FILE", "who may ask: see ward token"},
    {OPT_OPEN, "open", NULL, "answer others, too, but by F without G: for a demonstration"},
    {OPT_SCORES, "scores", NULL, "answer with all probabilities, not only the first class"},
    {OPT_TRANSFORM_ONLY, "transform-only", NULL,
     "hand out processed images, for users who run F themselves"},
    {OPT_ACCEPT, "accept-key-disclosure", NULL,
     "with --transform-only: do it even where a few images are\nworth the transform, as with all "
     "methods but keyed"},
    {OPT_METER, "meter", "DIR", "with --transform-only: keep count of different images here"},
    {OPT_AUDIT, "audit", "FILE", "log who asked when for how many images"},
    {OPT_AUDIT_SYNC, "audit-sync", "WHEN",
     "always: before an answer its line is on the disk; second: in\nthe file, "
     "which is synced once a second [always]"},
    {OPT_CERT, "cert", "FILE", "serve by TLS with this certificate (PEM)"},
    {OPT_KEY, "key", "FILE", "the certificate's private key (PEM)"},
    {OPT_CLIENT_CA, "client-ca", "FILE", "only clients with a certificate by this authority (PEM)"},
    {OPT_PLAINTEXT, "allow-plaintext", NULL, "listen beyond this machine without TLS"},
    {OPT_STRICT, "strict", NULL, "refuse to start where the kernel cannot lock the guard in"},
    {OPT_BATCH, "batch", "N", "images computed at once, 1 .. 1024 [32]"},
    {OPT_REQUEST_MAX, "request-max", "N", "images in a request, at most [256]"},
    {OPT_QUEUE, "queue", "N", "images that may wait [1024]"},
    {OPT_CONNECTIONS, "connections", "N", "at once [256]"},
    {OPT_PER_ADDRESS, "per-address", "N",
     "connections of one IP address, also a whole IPv6 one, at once\n"
     "[no limit]"},
    {OPT_TIMEOUT, "timeout", "SECONDS",
     "for a request to come in, and for its answer to be taken\n[30]"},
    {OPT_DRAIN, "drain", "SECONDS", "after SIGTERM, for what was asked already [30]"},
    {OPT_HTTP_THREADS, "http-threads", "N", "threads that speak HTTP [2]"},
    CLI_OPTIONS_KEYS,
    CLI_OPTION_THREADS,
    CLI_OPTION_QUIET,
    CLI_OPTION_HELP,
    CLI_OPTION_END,
};

static const struct cli_command command = {
    .name = "serve",
    .operands = "RUN --tokens FILE [options]",
    .text =
        "Serve a run by the Open Inference Protocol, version 2, over HTTP or HTTPS. G is held by\n"
        "a process of its own that nothing can look into, F is run by another. The address is\n"
        "printed on stdout when all is ready. SIGTERM ends it after the requests under way;\n"
        "SIGHUP reads tokens and run again.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
};

/* "<N>" in front tells journald how grave a line is. */
static void talk(void *context, const char *line)
{
    const struct cli *cli = context;

    if (!cli_has(cli, 'q'))
        fprintf(stderr, "%sward serve: %s\n", getenv("JOURNAL_STREAM") ? "<5>" : "", line);
}

static bool count_size(const struct cli *cli, int key, size_t *out)
{
    uint64_t value = *out;

    if (!cli_count(cli, key, 1, SIZE_MAX, &value))
        return false;
    *out = (size_t)value;
    return true;
}

static bool count_unsigned(const struct cli *cli, int key, uint64_t min, uint64_t max,
                           unsigned *out)
{
    uint64_t value = *out;

    if (!cli_count(cli, key, min, max, &value))
        return false;
    *out = (unsigned)value;
    return true;
}

static bool read_numbers(const struct cli *cli, ward_server_config *c, unsigned *drain)
{
    uint64_t fd = 0;

    if (!cli_count(cli, CLI_PASSPHRASE_FD, 0, 1 << 20, &fd))
        return false;
    if (cli_has(cli, CLI_PASSPHRASE_FD))
        c->passphrase_fd = (int)fd;
    return count_size(cli, OPT_BATCH, &c->batch) &&
           count_size(cli, OPT_REQUEST_MAX, &c->request_max) &&
           count_size(cli, OPT_QUEUE, &c->queue) &&
           count_size(cli, OPT_CONNECTIONS, &c->connections) &&
           count_size(cli, OPT_PER_ADDRESS, &c->per_address) &&
           count_unsigned(cli, OPT_TIMEOUT, 1, 3600, &c->seconds) &&
           count_unsigned(cli, OPT_DRAIN, 0, 3600, drain) &&
           count_unsigned(cli, OPT_HTTP_THREADS, 1, 64, &c->http_threads) &&
           count_unsigned(cli, CLI_THREADS, 1, 256, &c->threads);
}

static bool read_audit(const struct cli *cli, ward_server_config *c)
{
    static const char *const words[] = {"always", "second", NULL}; /* by ward_audit_sync */
    size_t word = c->sync;

    if (!cli_word(cli, OPT_AUDIT_SYNC, words, &word))
        return false;
    c->audit = cli_text(cli, OPT_AUDIT);
    c->sync = (ward_audit_sync)word;
    return true;
}

static void read_words(const struct cli *cli, ward_server_config *c)
{
    c->run = cli->operands[0];
    c->identity = cli_text(cli, CLI_IDENTITY);
    c->passphrase_file = cli_text(cli, CLI_PASSPHRASE_FILE);
    c->tpm = cli_text(cli, CLI_TPM);
    c->name = cli_text(cli, OPT_NAME);
    c->listen = cli_text(cli, OPT_LISTEN);
    c->allows_plaintext = cli_has(cli, OPT_PLAINTEXT);
    c->certificate = cli_text(cli, OPT_CERT);
    c->private_key = cli_text(cli, OPT_KEY);
    c->client_ca = cli_text(cli, OPT_CLIENT_CA);
    c->tokens = cli_text(cli, OPT_TOKENS);
    c->is_open = cli_has(cli, OPT_OPEN);
    c->has_scores = cli_has(cli, OPT_SCORES);
    c->is_transform_only = cli_has(cli, OPT_TRANSFORM_ONLY);
    c->accepts_disclosure = cli_has(cli, OPT_ACCEPT);
    c->meter = cli_text(cli, OPT_METER);
    c->is_strict = cli_has(cli, OPT_STRICT);
    c->log = talk;
    c->context = (void *)(uintptr_t)cli;
}

static int check(const struct cli *cli)
{
    if (!cli_has(cli, OPT_TOKENS) && !cli_has(cli, OPT_OPEN))
        return cli_usage(cli, "--tokens is missing: nobody could ask anything");
    if (cli_has(cli, CLI_PASSPHRASE_FILE) && cli_has(cli, CLI_PASSPHRASE_FD))
        return cli_usage(cli, "--passphrase-file and --passphrase-fd contradict each other");
    if (cli_has(cli, OPT_TRANSFORM_ONLY) && !cli_has(cli, OPT_METER))
        return cli_usage(cli, "--transform-only needs --meter");
    if (cli_has(cli, OPT_AUDIT_SYNC) && !cli_has(cli, OPT_AUDIT))
        return cli_usage(cli, "--audit-sync needs --audit");
    return CLI_RUN;
}

/* Until a signal that ends it. */
static void wait_for_signals(const struct cli *cli, ward_server *server, const sigset_t *signals)
{
    int number = 0;

    while (sigwait(signals, &number) == 0 && number == SIGHUP)
        if (!ward_server_reload(server))
            cli_talk(cli, "tokens and run were read again");
        else if (cli_has(cli, 'q')) /* otherwise the server has said so */
            cli_error(cli, "%s", ward_error_message());
}

/* Those that wait_for_signals() waits for; all threads inherit that they wait for none. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Connections take a descriptor each, and so do the meters of all users. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const struct cli *cli, const ward_server_config *config, unsigned drain,
                 struct asker *asker)
{
    ward_server *server = NULL;
    sigset_t signals;
    ward_status st;

    block_signals(&signals);
    raise_descriptors();
    st = ward_server_start(&server, config);
    asker_end(asker);
    if (st)
        return cli_failed(cli, st);
    printf("%s\n", ward_server_url(server));
    fflush(stdout);
    wait_for_signals(cli, server, &signals);
    cli_talk(cli, "ending, after what has been asked already");
    st = ward_server_stop(server, drain);
    return st ? cli_failed(cli, st) : CLI_DONE;
}

int cmd_serve(int argc, char **argv)
{
    struct cli cli;
    ward_server_config config;
    struct asker asker = {.fd = -1};
    unsigned drain = 30;
    int code = cli_parse(&cli, &command, argc, argv);

    if (code == CLI_RUN)
        code = check(&cli);
    if (code != CLI_RUN)
        return code;
    ward_server_defaults(&config);
    if (!read_numbers(&cli, &config, &drain) || !read_audit(&cli, &config))
        return CLI_USAGE;
    read_words(&cli, &config);
    if (!config.passphrase_file && config.passphrase_fd < 0) {
        code = asker_start(&cli, &asker);
        config.passphrase_fd = asker.fd;
    }
    if (code == CLI_RUN)
        code = serve(&cli, &config, drain, &asker);
    asker_close(&asker);
    return code;
}
