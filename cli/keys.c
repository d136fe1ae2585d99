/* Keys and passphrases: see keys.h. */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* ---- reading a passphrase ---- */

enum { CONTROL_C = 3, FD_MAX = 1 << 20, QUESTION_MAX = 8192 };

/* Unbuffered, so that no copy stays behind; up to the end or a newline. False with errno. */
static bool read_line(int fd, char *out, size_t max, size_t *len)
{
    *len = 0;
    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0 || c == '\n')
            return true;
        if (*len == max || c == CONTROL_C) {
            errno = *len == max ? EOVERFLOW : ECANCELED;
            return false;
        }
        out[(*len)++] = c;
    }
}

/* Neither echo nor signals while it is typed: the terminal must not stay silent afterwards. Ctrl-C
 * ends the line instead. */
static bool ask_terminal(const char *question, const char *about, char *out, size_t max,
                         size_t *len)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, silent;
    bool is_read = false;

    if (fd < 0)
        return false;
    if (tcgetattr(fd, &before) == 0) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
        silent.c_cc[VEOL] = CONTROL_C;
        dprintf(fd, "%s%s%s: ", question, about ? " " : "", about ? about : "");
        if (tcsetattr(fd, TCSAFLUSH, &silent) == 0)
            is_read = read_line(fd, out, max, len);
        tcsetattr(fd, TCSAFLUSH, &before);
        dprintf(fd, "\n");
    }
    close(fd);
    return is_read;
}

/* From the options with these keys, a file or a descriptor; *is_given tells whether one was there.
 * False with errno. */
static bool read_given(const struct cli *cli, int file_key, int fd_key, char *out, size_t max,
                       size_t *len, bool *is_given)
{
    const char *path = cli_text(cli, file_key);
    uint64_t number = 0;
    bool is_read;
    int fd, reason;

    *is_given = path || cli_has(cli, fd_key);
    if (!path)
        return *is_given && cli_count(cli, fd_key, 0, FD_MAX, &number) &&
               read_line((int)number, out, max, len);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    is_read = read_line(fd, out, max, len);
    reason = errno;
    close(fd);
    errno = reason;
    return is_read;
}

/* What cannot be read was found before (check_options): here the library says what is missing. */
static bool ask(void *context, const char *path, bool is_pin, char *out, size_t max, size_t *len)
{
    const struct cli *cli = context;
    bool is_given,
        is_read = read_given(cli, CLI_PASSPHRASE_FILE, CLI_PASSPHRASE_FD, out, max, len, &is_given);

    if (is_given)
        return is_read;
    return ask_terminal(is_pin ? "PIN of" : "passphrase of", path, out, max, len);
}

static int unreadable(const struct cli *cli, int file_key, int fd_key)
{
    const char *path = cli_text(cli, file_key);

    return cli_error(cli, "cannot read the passphrase from %s '%s': %s",
                     path ? "file" : "descriptor", path ? path : cli_text(cli, fd_key),
                     strerror(errno));
}

/* ---- keys ---- */

/* Typed options are wrong usage before they are a missing key. */
static int check_options(const struct cli *cli)
{
    uint64_t number = 0;

    if (cli_has(cli, CLI_PASSPHRASE_FILE) && cli_has(cli, CLI_PASSPHRASE_FD))
        return cli_usage(cli, "--passphrase-file and --passphrase-fd contradict each other");
    if (!cli_count(cli, CLI_PASSPHRASE_FD, 0, FD_MAX, &number))
        return CLI_USAGE;
    if ((cli_has(cli, CLI_PASSPHRASE_FILE) && access(cli_text(cli, CLI_PASSPHRASE_FILE), R_OK)) ||
        (cli_has(cli, CLI_PASSPHRASE_FD) && fcntl((int)number, F_GETFD) < 0))
        return unreadable(cli, CLI_PASSPHRASE_FILE, CLI_PASSPHRASE_FD);
    return CLI_RUN;
}

int keys_open_file(const struct cli *cli, const char *path, ward_keys **out)
{
    ward_keys_options options = {.identity = path,
                                 .ask = ask,
                                 .context = (void *)(uintptr_t)cli,
                                 .tpm = cli_text(cli, CLI_TPM)};
    ward_status st;
    int code = check_options(cli);

    if (code != CLI_RUN)
        return code;
    st = ward_keys_new(out, &options);
    return st ? cli_failed(cli, st) : CLI_RUN;
}

int keys_open(const struct cli *cli, ward_keys **out)
{
    return keys_open_file(cli, cli_text(cli, CLI_IDENTITY), out);
}

int keys_open_run(const struct cli *cli, const char *path, ward_run **out)
{
    ward_keys *keys = NULL;
    ward_status st;
    int code = keys_open(cli, &keys);

    if (code != CLI_RUN)
        return code;
    st = ward_run_open_with(out, path, keys);
    ward_keys_free(keys);
    return st ? cli_failed(cli, st) : CLI_RUN;
}

bool keys_is_public(const char *given)
{
    return strncmp(given, "ward-user:", 10) == 0 || strncmp(given, "ward-owner:", 11) == 0;
}

int keys_public(const struct cli *cli, const char *given, char **out)
{
    ward_status st;

    if (!keys_is_public(given)) {
        st = ward_key_public(given, out);
    } else {
        st = ward_key_check(given, NULL);
        if (!st && !(*out = strdup(given)))
            return cli_error(cli, "out of memory");
    }
    return st ? cli_failed(cli, st) : CLI_RUN;
}

int keys_owner_path(const struct cli *cli, char **out)
{
    const char *given = cli_text(cli, CLI_IDENTITY);
    ward_status st;

    if (!given) {
        st = ward_key_default_path(WARD_KEY_OWNER, out);
        return st ? cli_failed(cli, st) : CLI_RUN;
    }
    *out = strdup(given);
    return *out ? CLI_RUN : cli_error(cli, "out of memory");
}

static ward_status make_owner(const struct cli *cli, const char *path)
{
    const ward_key_options options = {.protection = WARD_PROTECT_FILE};
    ward_status st = ward_key_new(path, WARD_KEY_OWNER, &options, NULL);

    if (!st)
        cli_talk(cli,
                 "made an owner key, '%s': nothing but its mode protects it, and without it "
                 "nobody opens what you train. Back it up under a passphrase: ward key backup "
                 "--out FILE",
                 path);
    return st == WARD_ERR_EXISTS ? WARD_OK : st; /* another process was faster */
}

ward_status keys_owner_public(const struct cli *cli, char **out)
{
    const char *given = cli_text(cli, CLI_IDENTITY);
    char *path = NULL;
    ward_status st;

    if (given)
        return ward_key_public(given, out);
    st = ward_key_default_path(WARD_KEY_OWNER, &path);
    if (!st && access(path, F_OK) != 0)
        st = make_owner(cli, path);
    if (!st)
        st = ward_key_public(path, out);
    ward_string_free(path);
    return st;
}

int keys_recipients(const struct cli *cli, char **out)
{
    char *all = NULL;
    int code = CLI_RUN;

    for (size_t i = 0; i < cli->recipient_count && code == CLI_RUN; i++) {
        char *one = NULL, *longer = NULL;

        code = keys_public(cli, cli->recipients[i], &one);
        if (code == CLI_RUN && asprintf(&longer, "%s%s%s", all ? all : "", all ? " " : "", one) < 0)
            code = cli_error(cli, "out of memory");
        ward_string_free(one);
        if (code == CLI_RUN) {
            free(all);
            all = longer;
        }
    }
    if (code == CLI_RUN)
        *out = all;
    else
        free(all);
    return code;
}

/* ---- asking for another process ---- */

static void answer_questions(int fd)
{
    char question[QUESTION_MAX + 1];
    struct passphrase answer;
    bool is_answered = true;
    size_t len;

    while (is_answered && read_line(fd, question, QUESTION_MAX, &len) && len > 0) {
        question[len] = '\0';
        is_answered =
            ask_terminal(question, NULL, answer.text, sizeof(answer.text) - 1, &answer.len);
        if (is_answered) {
            answer.text[answer.len++] = '\n';
            is_answered = send(fd, answer.text, answer.len, MSG_NOSIGNAL) == (ssize_t)answer.len;
        }
        passphrase_wipe(&answer);
    }
}

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int asker_start(const struct cli *cli, struct asker *out)
{
    int ends[2];

    *out = (struct asker){.fd = -1};
    if (!has_terminal())
        return CLI_RUN;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return cli_error(cli, "cannot make a socket: %s", strerror(errno));
    out->pid = fork();
    if (out->pid == 0) {
        close(ends[0]);
        answer_questions(ends[1]);
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    if (out->pid < 0) {
        close(ends[0]);
        return cli_error(cli, "cannot start a process: %s", strerror(errno));
    }
    out->fd = ends[0];
    return CLI_RUN;
}

void asker_end(struct asker *asker)
{
    if (asker->pid <= 0)
        return;
    shutdown(asker->fd, SHUT_RDWR);
    while (waitpid(asker->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    asker->pid = 0;
}

void asker_close(struct asker *asker)
{
    if (asker->fd < 0)
        return;
    asker_end(asker);
    close(asker->fd);
    asker->fd = -1;
}

/* ---- new passphrases ---- */

void passphrase_wipe(struct passphrase *passphrase)
{
    explicit_bzero(passphrase, sizeof(*passphrase));
}

static int ask_twice(const struct cli *cli, int file_key, const char *what, struct passphrase *out)
{
    char question[64];
    struct passphrase again;
    int code = CLI_RUN;

    snprintf(question, sizeof(question), "new %s", what);
    if (!ask_terminal(question, NULL, out->text, sizeof(out->text), &out->len) ||
        !ask_terminal("the same again", NULL, again.text, sizeof(again.text), &again.len))
        code = cli_error(cli, "no %s was given: there is no terminal, and --%s was left out", what,
                         cli_name(cli, file_key));
    else if (out->len != again.len || memcmp(out->text, again.text, out->len) != 0)
        code = cli_error(cli, "the two are not the same");
    passphrase_wipe(&again);
    return code;
}

int passphrase_new(const struct cli *cli, int file_key, int fd_key, const char *what,
                   struct passphrase *out)
{
    uint64_t number = 0;
    bool is_given;
    int code = CLI_RUN;

    out->len = 0;
    if (cli_has(cli, file_key) && cli_has(cli, fd_key))
        return cli_usage(cli, "--%s and --%s contradict each other", cli_name(cli, file_key),
                         cli_name(cli, fd_key));
    if (!cli_count(cli, fd_key, 0, FD_MAX, &number))
        return CLI_USAGE;
    if (!read_given(cli, file_key, fd_key, out->text, sizeof(out->text), &out->len, &is_given))
        code = is_given ? unreadable(cli, file_key, fd_key) : ask_twice(cli, file_key, what, out);
    if (code == CLI_RUN && out->len == 0)
        code = cli_error(cli, "an empty %s protects nothing", what);
    return code;
}
