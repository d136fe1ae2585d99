/* Sealing to a TPM that is another, is not there, or is in a bad way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "tpm/tpm.h"
#include "tpm_fixture.h"

static void test_another_chip_does_not_open(void **state)
{
    struct tpm_access here = access_to(simulator_of(state), "1234"), there;
    struct simulator other;
    struct tpm_sealed sealed;

    seal_known(&here, &sealed);
    simulator_init(&other);
    start(&other);
    there = access_to(&other, "1234");
    assert_refuses(&there, &sealed, WARD_ERR_AUTH, "another TPM");
    assert_chip_is_empty(&other);
    simulator_release(&other);
    assert_opens(&here, &sealed);
}

static void test_a_cleared_chip_does_not_open(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;
    struct direct d;

    seal_known(&access, &sealed);
    direct_open(&d, s);
    assert_int_equal(
        Esys_Clear(d.esys, ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE), 0);
    direct_close(&d);
    assert_refuses(&access, &sealed, WARD_ERR_AUTH, "before this one was cleared");
}

static void test_the_same_chip_opens_after_a_restart(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, "1234");
    struct tpm_sealed sealed;

    seal_known(&access, &sealed);
    stop(s);
    start(s);
    assert_opens(&access, &sealed);
}

static void test_a_chip_that_cannot_be_reached_is_said(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;

    seal_known(&access, &sealed);
    stop(s);
    assert_refuses(&access, &sealed, WARD_ERR_IO, s->tcti);
    access.tcti = "swtpm:path=/nonexistent/sock";
    assert_refuses(&access, &sealed, WARD_ERR_IO, "/nonexistent/sock");
    access.tcti = "device:/nonexistent";
    assert_refuses(&access, &sealed, WARD_ERR_IO, "device:/nonexistent");
    access.tcti = "no-such-transport:";
    assert_refuses(&access, &sealed, WARD_ERR_IO, "no-such-transport:");
}

static int listen_on(const struct simulator *s, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", s->dir, name);
    unlink(address.sun_path);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                listen(fd, 8) == 0);
    return fd;
}

/*
 * Takes swtpm's place: says yes on the control socket, and hangs up on who calls for the chip,
 * before it says anything else. For ten seconds, should nobody end it.
 */
static void hang_up(int data, int control)
{
    struct pollfd waiting[3] = {{.fd = data, .events = POLLIN},
                                {.fd = control, .events = POLLIN},
                                {.fd = -1, .events = POLLIN}};
    char buffer[256];

    alarm(10);
    while (poll(waiting, 3, -1) > 0) {
        if (waiting[0].revents)
            close(accept(data, NULL, NULL));
        else if (waiting[1].revents)
            waiting[2].fd = accept(control, NULL, NULL);
        else if (read(waiting[2].fd, buffer, sizeof(buffer)) <= 0 ||
                 write(waiting[2].fd, "\0\0\0\0", 4) != 4)
            waiting[2].fd = -1;
    }
    _exit(1);
}

/* The signal of a write to nobody would end the program. */
static void test_a_chip_that_hangs_up_is_said(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;
    int data, control;
    sigset_t blocked;

    seal_known(&access, &sealed);
    stop(s);
    data = listen_on(s, "sock");
    control = listen_on(s, "sock.ctrl");
    s->pid = fork();
    if (s->pid == 0)
        hang_up(data, control);
    close(data);
    close(control);
    assert_refuses(&access, &sealed, WARD_ERR_IO, "lost the TPM");
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    assert_false(sigismember(&blocked, SIGPIPE));
    stop(s);
}

static void test_a_machine_without_a_chip_is_said(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    struct tpm_sealed sealed;

    if (file_exists("/dev/tpmrm0") || file_exists("/dev/tpm0"))
        skip();
    seal_known(&access, &sealed);
    access.tcti = NULL;
    assert_refuses(&access, &sealed, WARD_ERR_IO, "no TPM 2.0");
}

static void test_the_environment_names_the_chip_unless_the_call_does(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;

    seal_known(&access, &sealed);
    setenv("TPM2TOOLS_TCTI", "swtpm:path=/nonexistent/sock", 1);
    assert_opens(&access, &sealed);
    access.tcti = NULL;
    assert_refuses(&access, &sealed, WARD_ERR_IO, "/nonexistent/sock");
    setenv("TPM2TOOLS_TCTI", s->tcti, 1);
    assert_opens(&access, &sealed);
    unsetenv("TPM2TOOLS_TCTI");
}

/* A chip that cannot write its state down, here that of its lockout, fails for good. */
static void test_a_chip_in_failure_mode_is_said(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access right = access_to(s, "1234"), wrong = access_to(s, "1235");
    struct tpm_sealed sealed;
    char command[64];

    seal_known(&right, &sealed);
    snprintf(command, sizeof(command), "rm -r '%s/state'", s->dir);
    assert_int_equal(system(command), 0);
    assert_refuses(&wrong, &sealed, WARD_ERR_DEVICE, "failure mode");
    assert_refuses(&right, &sealed, WARD_ERR_DEVICE, "failure mode");
    stop(s);
}

static void test_a_chip_that_was_not_started_is_said(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;

    seal_known(&access, &sealed);
    stop(s);
    start_with(s, "not-need-init");
    assert_refuses(&access, &sealed, WARD_ERR_DEVICE, "not been started");
    stop(s);
}

static void test_a_chip_full_of_sessions_is_said(void **state)
{
    static const TPMT_SYM_DEF no_symmetric = {.algorithm = TPM2_ALG_NULL};
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;
    ESYS_TR sessions[3];
    struct direct d;

    seal_known(&access, &sealed);
    direct_open(&d, s);
    for (int i = 0; i < 3; i++)
        assert_int_equal(Esys_StartAuthSession(d.esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                               ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                               &no_symmetric, TPM2_ALG_SHA256, &sessions[i]),
                         0);
    /* swtpm serves one connection at a time, and keeps what the last one left. */
    direct_close(&d);
    assert_refuses(&access, &sealed, WARD_ERR_DEVICE, "no memory left for sessions");
    stop(s);
    start(s);
    assert_opens(&access, &sealed);
}

static void test_a_chip_full_of_objects_is_said(void **state)
{
    static const TPM2B_SENSITIVE_CREATE no_sensitive;
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_PUBLIC hmac_key = {.publicArea = {.type = TPM2_ALG_KEYEDHASH,
                                            .nameAlg = TPM2_ALG_SHA256,
                                            .objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT |
                                                                TPMA_OBJECT_USERWITHAUTH |
                                                                TPMA_OBJECT_SENSITIVEDATAORIGIN}};
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;
    struct direct d;

    hmac_key.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_HMAC;
    hmac_key.publicArea.parameters.keyedHashDetail.scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
    seal_known(&access, &sealed);
    direct_open(&d, s);
    for (int i = 0; i < 3; i++) {
        ESYS_TR object;

        assert_int_equal(Esys_CreatePrimary(d.esys, ESYS_TR_RH_NULL, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &no_sensitive, &hmac_key, &no_data,
                                            &no_pcrs, &object, NULL, NULL, NULL, NULL),
                         0);
    }
    direct_close(&d);
    assert_refuses(&access, &sealed, WARD_ERR_DEVICE, "no memory left for objects");
    stop(s);
    start(s);
    assert_opens(&access, &sealed);
}

static void test_an_owner_password_is_said(void **state)
{
    const TPM2B_AUTH password = {.size = 3, .buffer = {1, 2, 3}};
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed sealed;
    struct direct d;

    seal_known(&access, &sealed);
    direct_open(&d, s);
    assert_int_equal(Esys_HierarchyChangeAuth(d.esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                              ESYS_TR_NONE, ESYS_TR_NONE, &password),
                     0);
    direct_close(&d);
    assert_refuses(&access, &sealed, WARD_ERR_DEVICE, "owner hierarchy has a password");
}

/* Such a chip takes a policy of PCRs that it lacks, and lets it bind nothing. */
static void test_a_chip_without_the_sha256_bank_does_not_seal(void **state)
{
    static const TPML_PCR_SELECTION banks = {
        .count = 2,
        .pcrSelections = {
            {.hash = TPM2_ALG_SHA256, .sizeofSelect = 3},
            {.hash = TPM2_ALG_SHA384, .sizeofSelect = 3, .pcrSelect = {0xff, 0xff, 0xff}}}};
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    struct tpm_sealed before, after = {.len = 5};
    uint8_t key[TPM_KEY_LEN] = {0};
    TPMI_YES_NO done = TPM2_NO;
    UINT32 counts[3];
    struct direct d;

    seal_known(&access, &before);
    direct_open(&d, s);
    assert_int_equal(Esys_PCR_Allocate(d.esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &banks, &done, &counts[0], &counts[1],
                                       &counts[2]),
                     0);
    assert_int_equal(done, TPM2_YES);
    assert_int_equal(Esys_Shutdown(d.esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_CLEAR),
                     0);
    direct_close(&d);
    stop(s);
    start(s);
    assert_fails(tpm_seal(&access, key, &after), WARD_ERR_DEVICE, "sha256:0,7");
    assert_int_equal(after.len, 5);
    assert_refuses(&access, &before, WARD_ERR_AUTH, "PCR");
}

static void test_failures_print_nothing(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access right = access_to(s, "1234"), wrong = access_to(s, "4321");
    struct tpm_sealed sealed;
    char path[64];
    struct stat info;
    int before = dup(2), file;

    snprintf(path, sizeof(path), "%s/stderr", s->dir);
    file = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(before >= 0 && file >= 0 && dup2(file, 2) == 2);
    seal_known(&right, &sealed);
    assert_refuses(&wrong, &sealed, WARD_ERR_AUTH, "");
    sealed.bytes[200] ^= 1;
    assert_refuses(&right, &sealed, WARD_ERR_AUTH, "");
    right.tcti = "swtpm:path=/nonexistent/sock";
    assert_refuses(&right, &sealed, WARD_ERR_IO, "");
    assert_true(dup2(before, 2) == 2);
    assert_int_equal(fstat(file, &info), 0);
    assert_int_equal(info.st_size, 0);
    close(before);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CHIP(test_another_chip_does_not_open),
        WITH_CHIP(test_a_cleared_chip_does_not_open),
        WITH_CHIP(test_the_same_chip_opens_after_a_restart),
        WITH_CHIP(test_a_chip_that_cannot_be_reached_is_said),
        WITH_CHIP(test_a_chip_that_hangs_up_is_said),
        WITH_CHIP(test_a_machine_without_a_chip_is_said),
        WITH_CHIP(test_the_environment_names_the_chip_unless_the_call_does),
        WITH_CHIP(test_a_chip_in_failure_mode_is_said),
        WITH_CHIP(test_a_chip_that_was_not_started_is_said),
        WITH_CHIP(test_a_chip_full_of_sessions_is_said),
        WITH_CHIP(test_a_chip_full_of_objects_is_said),
        WITH_CHIP(test_an_owner_password_is_said),
        WITH_CHIP(test_a_chip_without_the_sha256_bank_does_not_seal),
        WITH_CHIP(test_failures_print_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
