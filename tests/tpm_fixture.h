/*
 * A simulated TPM for each test: swtpm, started afresh on a socket in a folder of its own. Where
 * swtpm is not installed, such tests are skipped. Includes a key to seal and what to expect of it.
 */
#ifndef TPM_FIXTURE_H
#define TPM_FIXTURE_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include "tpm/tpm.h"

enum {
    PCRS = 1 << 0 | 1 << 7,
    WRONG_PINS_TO_LOCKOUT = 3 /* of swtpm */
};

/* A simulated chip. Its state is in dir, so a second start there is the same chip again. */
struct simulator {
    char dir[32];
    char tcti[64];
    pid_t pid; /* 0: not running */
};

static inline struct tpm_access access_to(const struct simulator *s, const char *pin)
{
    return (struct tpm_access){.tcti = s->tcti,
                               .pcrs = PCRS,
                               .pin = (const uint8_t *)pin,
                               .pin_len = pin ? strlen(pin) : 0};
}

static inline void fill_key(uint8_t key[TPM_KEY_LEN])
{
    for (int i = 0; i < TPM_KEY_LEN; i++)
        key[i] = (uint8_t)(37 * i * i + 11 * i + 101);
}

/* The simulator ends with the test program, however that ends. */
static inline void become_simulator(const struct simulator *s, const char *flags)
{
    char state[80], server[80], control[80];
    int nowhere = open("/dev/null", O_RDWR);

    snprintf(state, sizeof(state), "dir=%s/state", s->dir);
    snprintf(server, sizeof(server), "type=unixio,path=%s/sock,mode=0600", s->dir);
    snprintf(control, sizeof(control), "type=unixio,path=%s/sock.ctrl,mode=0600", s->dir);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nowhere < 0 || dup2(nowhere, 1) < 0 || dup2(nowhere, 2) < 0)
        _exit(126);
    execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl",
           control, "--flags", flags, (char *)NULL);
    _exit(127);
}

/* A socket is there a moment before it is listened on. */
static inline bool takes_calls(const struct simulator *s, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool taken;

    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", s->dir, name);
    taken = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return taken;
}

static inline bool is_listening(const struct simulator *s)
{
    return takes_calls(s, "sock") && takes_calls(s, "sock.ctrl");
}

static inline void start_with(struct simulator *s, const char *flags)
{
    const struct timespec moment = {0, 10000000};

    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0)
        become_simulator(s, flags);
    for (int i = 0; i < 1000 && !is_listening(s); i++)
        nanosleep(&moment, NULL);
    assert_true(is_listening(s));
}

static inline void start(struct simulator *s)
{
    start_with(s, "not-need-init,startup-clear");
}

static inline void stop(struct simulator *s)
{
    int status;

    if (s->pid == 0)
        return;
    kill(s->pid, SIGTERM);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    s->pid = 0;
}

static inline bool is_swtpm_installed(void)
{
    return system("swtpm --version >/dev/null 2>&1") == 0;
}

static inline void simulator_init(struct simulator *s)
{
    char path[64];

    *s = (struct simulator){.dir = "/tmp/ward-tpm-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    snprintf(path, sizeof(path), "%s/state", s->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(s->tcti, sizeof(s->tcti), "swtpm:path=%s/sock", s->dir);
}

static inline void simulator_release(struct simulator *s)
{
    char command[64];

    stop(s);
    snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
}

/* A direct connection to the chip, to do to it what the library under test does not. */
struct direct {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

static inline void direct_open(struct direct *d, const struct simulator *s)
{
    assert_int_equal(Tss2_TctiLdr_Initialize(s->tcti, &d->tcti), 0);
    assert_int_equal(Esys_Initialize(&d->esys, d->tcti, NULL), 0);
}

static inline void direct_close(struct direct *d)
{
    Esys_Finalize(&d->esys);
    Tss2_TctiLdr_Finalize(&d->tcti);
}

static inline void extend_pcr(const struct simulator *s, unsigned pcr)
{
    TPML_DIGEST_VALUES values = {.count = 1, .digests = {{.hashAlg = TPM2_ALG_SHA256}}};
    struct direct d;

    memset(values.digests[0].digest.sha256, 0x5a, TPM2_SHA256_DIGEST_SIZE);
    direct_open(&d, s);
    assert_int_equal(Esys_PCR_Extend(d.esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &values),
                     0);
    direct_close(&d);
}

/* The first handle of each kind. tpm2-tss shifts signed numbers beyond their range to get them. */
static const TPM2_HANDLE LOADED_SESSIONS = 0x02000000, SAVED_SESSIONS = 0x03000000,
                         TRANSIENT = 0x80000000, PERSISTENT = 0x81000000;

static inline unsigned count_handles(ESYS_CONTEXT *esys, TPM2_HANDLE first)
{
    TPMS_CAPABILITY_DATA *data;
    unsigned count;

    assert_int_equal(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_HANDLES, first, 100, NULL, &data),
                     0);
    count = data->data.handles.count;
    Esys_Free(data);
    return count;
}

/* A chip keeps objects and sessions from one connection to the next: none may be left. */
static inline void assert_chip_is_empty(const struct simulator *s)
{
    struct direct d;

    direct_open(&d, s);
    assert_int_equal(count_handles(d.esys, TRANSIENT), 0);
    assert_int_equal(count_handles(d.esys, LOADED_SESSIONS), 0);
    assert_int_equal(count_handles(d.esys, SAVED_SESSIONS), 0);
    assert_int_equal(count_handles(d.esys, PERSISTENT), 0);
    direct_close(&d);
}

static inline int set_up(void **state)
{
    static struct simulator s;

    unsetenv("TPM2TOOLS_TCTI");
    *state = NULL;
    if (!is_swtpm_installed())
        return 0;
    simulator_init(&s);
    start(&s);
    *state = &s;
    return 0;
}

static inline int tear_down(void **state)
{
    struct simulator *s = *state;

    if (!s)
        return 0;
    if (s->pid != 0)
        assert_chip_is_empty(s);
    simulator_release(s);
    return 0;
}

/* The chip of a test; ends the test as skipped if there is none. */
static inline struct simulator *simulator_of(void **state)
{
    if (!*state)
        skip();
    return *state;
}

static inline void assert_ok(ward_status st)
{
    if (st)
        fail_msg("expected WARD_OK, got %s: %s", ward_status_name(st), ward_error_message());
}

static inline void assert_fails(ward_status st, ward_status expected, const char *part)
{
    if (st != expected || !strstr(ward_error_message(), part))
        fail_msg("expected %s with '%s', got %s: %s", ward_status_name(expected), part,
                 ward_status_name(st), ward_error_message());
}

static inline void assert_opens(const struct tpm_access *access, const struct tpm_sealed *sealed)
{
    uint8_t key[TPM_KEY_LEN] = {0}, expected[TPM_KEY_LEN];

    fill_key(expected);
    assert_ok(tpm_unseal(access, sealed->bytes, sealed->len, key));
    assert_memory_equal(key, expected, sizeof(key));
}

static inline void assert_refuses(const struct tpm_access *access, const struct tpm_sealed *sealed,
                                  ward_status expected, const char *part)
{
    uint8_t key[TPM_KEY_LEN], untouched[TPM_KEY_LEN];

    memset(key, 0xee, sizeof(key));
    memset(untouched, 0xee, sizeof(untouched));
    assert_fails(tpm_unseal(access, sealed->bytes, sealed->len, key), expected, part);
    assert_memory_equal(key, untouched, sizeof(key));
}

static inline void seal_known(const struct tpm_access *access, struct tpm_sealed *sealed)
{
    uint8_t key[TPM_KEY_LEN];

    fill_key(key);
    assert_ok(tpm_seal(access, key, sealed));
}

#define WITH_CHIP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
