/*
 * fork() and exec(): see spawn.h. The serving process has many threads, so that between the two
 * only what is safe in a signal handler may be called; all else is made ready before.
 */
#include "guard/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"

enum { VARIABLES = 3, ABOVE = 10 };

struct child {
    pid_t parent;
    int nothing, in, out, passphrase;
    char *const *argv, *const *environment;
};

/*
 * Functions of libraries are looked up before anything runs: done at the first call, that leaves a
 * copy of the vector registers on the stack, and with it what was copied last, G.
 */
static ward_status make_environment(char *environment[VARIABLES + 1])
{
    static const char *const names[] = {"HOME", "XDG_DATA_HOME"};
    ward_status st = mem_strdup(&environment[0], "LD_BIND_NOW=1");
    size_t count = 1;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !st; i++) {
        const char *value = getenv(names[i]);

        if (value)
            st = mem_printf(&environment[count++], "%s=%s", names[i], value);
    }
    return st;
}

/* By way of numbers that none of the wanted ones is. */
static void place_descriptors(const struct child *c)
{
    int in = fcntl(c->in, F_DUPFD, ABOVE), out = fcntl(c->out, F_DUPFD, ABOVE);
    int nothing = fcntl(c->nothing, F_DUPFD, ABOVE);
    int passphrase = c->passphrase < 0 ? -1 : fcntl(c->passphrase, F_DUPFD, ABOVE);

    if (dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
        dup2(in, GUARD_IN) < 0 || dup2(out, GUARD_OUT) < 0 ||
        (passphrase >= 0 && dup2(passphrase, GUARD_PASSPHRASE) < 0) ||
        close_range(passphrase >= 0 ? GUARD_PASSPHRASE + 1 : GUARD_OUT + 1, ~0U, 0) != 0)
        _exit(EXIT_FAILURE);
}

/* Ctrl-C in a terminal is for the serving process alone, so the child leaves its group. */
static void become(const struct child *c)
{
    sigset_t none;

    sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != c->parent ||
        setpgid(0, 0) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0)
        _exit(EXIT_FAILURE);
    place_descriptors(c);
    execve("/proc/self/exe", c->argv, c->environment);
    _exit(EXIT_FAILURE);
}

ward_status process_spawn(const struct process *process, int in, int out, int passphrase,
                          pid_t *pid)
{
    struct process_arguments arguments;
    char *environment[VARIABLES + 1] = {NULL};
    struct child child = {getpid(), -1, in, out, passphrase, NULL, environment};
    pid_t made = -1;
    ward_status st = make_environment(environment);

    process_format(process, &arguments);
    child.argv = (char *const *)(uintptr_t)arguments.argv;
    child.nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (!st && child.nothing >= 0)
        made = fork();
    if (made == 0)
        become(&child);
    if (!st && made < 0)
        st = ward_fail(WARD_ERR_IO, "cannot start a process: %s", strerror(errno));
    if (!st)
        *pid = made;
    if (child.nothing >= 0)
        close(child.nothing);
    for (size_t i = 0; i < VARIABLES; i++)
        mem_free(environment[i]);
    return st;
}
