/* Locking a process in: see lockin.h. The only file that includes seccomp.h. */
#include "guard/lockin.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

/* Newer than Debian 12's headers: linux/prctl.h of 6.3. */
enum { SET_MDWE = 65, MDWE_REFUSE_EXEC_GAIN = 1 };

static ward_status lacks(const struct lockin *l, const char *what, int reason)
{
    char text[256];

    snprintf(text, sizeof text, "%s (%s)", what, strerror(reason));
    if (l->is_strict)
        return ward_fail(WARD_ERR_DEVICE, "refused, as protections must be complete: %s", text);
    if (l->note)
        l->note(l->context, text);
    return WARD_OK;
}

/* ---- memory ---- */

static ward_status refuse_debugger(void)
{
    static const char label[] = "TracerPid:\t";
    uint8_t *text = NULL;
    const char *at;
    size_t len;
    ward_status st = file_read("/proc/self/status", 1 << 16, &text, &len);

    if (st)
        return st;
    at = strstr((const char *)text, label);
    if (!at || strtol(at + strlen(label), NULL, 10) != 0)
        st = ward_fail(WARD_ERR_DEVICE, "a debugger is attached");
    mem_free(text);
    return st;
}

ward_status lockin_begin(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP};
    struct rlimit none = {0, 0};

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return ward_fail(WARD_ERR_DEVICE, "cannot make memory unreadable: %s", strerror(errno));
    return refuse_debugger();
}

/*
 * G's own memory is locked in any case (key/secret.h). This is for the copies that opening it makes
 * and wipes. Under a limit, later allocations would fail, so it is all or nothing.
 */
ward_status lockin_memory(const struct lockin *l)
{
    struct rlimit limit = {0, 0};
    int reason = EPERM;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        (limit.rlim_cur == RLIM_INFINITY || geteuid() == 0)) {
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
            return WARD_OK;
        reason = errno;
    }
    return lacks(l,
                 "memory that G passes through while it is opened may be swapped: "
                 "RLIMIT_MEMLOCK is too small",
                 reason);
}

/* ---- files and network ---- */

/* linux/landlock.h as of ABI 6; Debian 12's has ABI 2. */
struct ruleset {
    uint64_t files, network, scoped;
};

enum {
    FILES_V1 = (1 << 13) - 1,
    FILES_REFER = 1 << 13,    /* from ABI 2 on */
    FILES_TRUNCATE = 1 << 14, /* 3 */
    NETWORK_TCP = 3,          /* 4 */
    FILES_IOCTL = 1 << 15,    /* 5 */
    SCOPED_ALL = 3            /* 6: abstract sockets, signals */
};

static ward_status restrict_files(const struct lockin *l)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset rules = {FILES_V1, 0, 0};
    size_t len = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    ward_status st = WARD_OK;
    long fd;

    if (abi < 1)
        return lacks(l, "this kernel has no landlock: files are barred by seccomp only", errno);
    rules.files |= (abi >= 2 ? FILES_REFER : 0) | (abi >= 3 ? FILES_TRUNCATE : 0) |
                   (abi >= 5 ? FILES_IOCTL : 0);
    rules.network = abi >= 4 ? NETWORK_TCP : 0;
    rules.scoped = abi >= 6 ? SCOPED_ALL : 0;
    fd = syscall(SYS_landlock_create_ruleset, &rules, len, 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        st = lacks(l, "landlock refuses: files are barred by seccomp only", errno);
    if (fd >= 0)
        close((int)fd);
    return st;
}

ward_status lockin_files(const struct lockin *l)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ward_fail(WARD_ERR_DEVICE, "cannot give up new privileges: %s", strerror(errno));
    return restrict_files(l);
}

/* ---- system calls ---- */

/* Rules stick to their first failure, a negated errno. */
struct filter {
    scmp_filter_ctx context;
    int status;
};

static void allow(struct filter *f, int call, unsigned count, const struct scmp_arg_cmp *arguments)
{
    if (!f->status)
        f->status = seccomp_rule_add_array(f->context, SCMP_ACT_ALLOW, call, count, arguments);
}

static struct scmp_arg_cmp equals(unsigned argument, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp has_bits(unsigned argument, scmp_datum_t mask, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* recv() and send() of a connected socket, and no address, so nothing else. */
static void allow_streams(struct filter *f, int in, int out)
{
    const struct scmp_arg_cmp receiving[] = {equals(0, (scmp_datum_t)in), equals(4, 0)};
    const struct scmp_arg_cmp sending[] = {equals(0, (scmp_datum_t)out), equals(4, 0)};

    allow(f, SCMP_SYS(recvfrom), 2, receiving);
    allow(f, SCMP_SYS(sendto), 2, sending);
    allow(f, SCMP_SYS(exit_group), 0, NULL);
}

/*
 * Memory that is neither code nor a file, and threads, which the pool ends and makes as batches
 * need more or fewer of them. clone3() hides from a filter what it is to make, so it is said not to
 * be there: then libc takes clone().
 */
static void allow_threads(struct filter *f)
{
    static const int calls[] = {
        SCMP_SYS(futex),
        SCMP_SYS(sched_yield),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(exit),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(rseq),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(brk),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(gettid),
        SCMP_SYS(sigaltstack),
    };
    const scmp_datum_t thread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
    const struct scmp_arg_cmp cloning[] = {has_bits(0, thread, thread)};
    const struct scmp_arg_cmp mapping[] = {has_bits(2, PROT_EXEC, 0),
                                           has_bits(3, MAP_ANONYMOUS, MAP_ANONYMOUS)};
    const struct scmp_arg_cmp protecting[] = {has_bits(2, PROT_EXEC, 0)};

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        allow(f, calls[i], 0, NULL);
    allow(f, SCMP_SYS(clone), 1, cloning);
    allow(f, SCMP_SYS(mmap), 2, mapping);
    allow(f, SCMP_SYS(mprotect), 1, protecting);
    if (!f->status)
        f->status =
            seccomp_rule_add_array(f->context, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
}

static ward_status lock_calls(const struct lockin *l, int in, int out, bool has_threads)
{
    struct filter f = {seccomp_init(SCMP_ACT_KILL_PROCESS), 0};
    ward_status st = WARD_OK;

    if (!f.context)
        return ward_fail(WARD_ERR_NOMEM, "out of memory (a filter of system calls)");
    f.status = seccomp_attr_set(f.context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!f.status) /* for all threads, or not at all */
        f.status = seccomp_attr_set(f.context, SCMP_FLTATR_CTL_TSYNC, 1);
    allow_streams(&f, in, out);
    if (has_threads)
        allow_threads(&f);
    if (!f.status)
        f.status = seccomp_load(f.context);
    if (f.status)
        st = lacks(l, "this kernel does not filter system calls", -f.status);
    else
        return WARD_OK; /* to release the context might take a system call too many */
    seccomp_release(f.context);
    return st;
}

static ward_status lock(const struct lockin *l, int in, int out, bool has_threads)
{
    /* Memory must not become code. Kernels before 6.3 cannot do this; the filter of calls refuses
     * it, too. */
    (void)prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    return lock_calls(l, in, out, has_threads);
}

ward_status lockin_guard(const struct lockin *l, int in, int out)
{
    return lock(l, in, out, false);
}

ward_status lockin_worker(const struct lockin *l, int in, int out)
{
    return lock(l, in, out, true);
}
