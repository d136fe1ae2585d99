/* Sealing a key to a TPM: what opens it, what does not, and what stays secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "tpm/tpm.h"
#include "tpm_fixture.h"

static void test_a_sealed_key_is_unsealed(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    struct tpm_sealed sealed, again;
    bool has_pin = true;

    assert_true(tpm_is_built_in());
    seal_known(&access, &sealed);
    assert_in_range(sealed.len, 100, 400);
    assert_ok(tpm_sealed_has_pin(sealed.bytes, sealed.len, &has_pin));
    assert_false(has_pin);
    assert_opens(&access, &sealed);
    seal_known(&access, &again);
    assert_true(sealed.len == again.len);
    assert_memory_not_equal(sealed.bytes, again.bytes, sealed.len);
    assert_opens(&access, &again);
    assert_opens(&access, &sealed);
}

static void test_every_set_of_pcrs_can_be_sealed_to(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    struct tpm_sealed sealed;

    for (unsigned i = 0; i < TPM_PCR_COUNT; i++) {
        access.pcrs = UINT32_C(1) << i;
        seal_known(&access, &sealed);
        assert_opens(&access, &sealed);
    }
    access.pcrs = (UINT32_C(1) << TPM_PCR_COUNT) - 1;
    seal_known(&access, &sealed);
    assert_opens(&access, &sealed);
    access.pcrs = 1;
    assert_refuses(&access, &sealed, WARD_ERR_AUTH, "PCR");
}

static void test_a_pin_opens_and_another_does_not(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, "correct horse");
    struct tpm_sealed sealed;
    bool has_pin = false;

    seal_known(&access, &sealed);
    assert_ok(tpm_sealed_has_pin(sealed.bytes, sealed.len, &has_pin));
    assert_true(has_pin);
    assert_opens(&access, &sealed);
    access = access_to(s, "correct horsf");
    assert_refuses(&access, &sealed, WARD_ERR_AUTH, "wrong PIN");
    access = access_to(s, "correct hors");
    assert_refuses(&access, &sealed, WARD_ERR_AUTH, "wrong PIN");
    access = access_to(s, "correct horse");
    assert_opens(&access, &sealed);
}

static void test_pins_of_any_bytes_and_length_open(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, NULL);
    uint8_t pin[TPM_PIN_MAX];
    struct tpm_sealed sealed;

    for (size_t len = 1; len <= TPM_PIN_MAX; len++) {
        for (size_t i = 0; i < len; i++)
            pin[i] = (uint8_t)(255 - i * len % 255);
        access.pin = pin;
        access.pin_len = len;
        seal_known(&access, &sealed);
        assert_opens(&access, &sealed);
    }
}

static void test_an_impossible_pin_or_set_of_pcrs_is_refused(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, "");
    uint8_t key[TPM_KEY_LEN] = {0};
    struct tpm_sealed sealed = {.len = 5};

    assert_fails(tpm_seal(&access, key, &sealed), WARD_ERR_ARG, "PIN");
    access = access_to(s, "123456789012345678901234567890123");
    assert_fails(tpm_seal(&access, key, &sealed), WARD_ERR_ARG, "PIN");
    access.pin = (const uint8_t *)"12\0";
    access.pin_len = 3;
    assert_fails(tpm_seal(&access, key, &sealed), WARD_ERR_ARG, "PIN");
    access = access_to(s, NULL);
    access.pcrs = 0;
    assert_fails(tpm_seal(&access, key, &sealed), WARD_ERR_ARG, "PCR");
    access.pcrs = UINT32_C(1) << TPM_PCR_COUNT;
    assert_fails(tpm_seal(&access, key, &sealed), WARD_ERR_ARG, "PCR");
    assert_int_equal(sealed.len, 5);
}

static void test_a_missing_and_a_needless_pin_are_said(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access with = access_to(s, "1234"), without = access_to(s, NULL);
    struct tpm_sealed sealed;

    seal_known(&with, &sealed);
    assert_refuses(&without, &sealed, WARD_ERR_AUTH, "has a PIN, and none was given");
    seal_known(&without, &sealed);
    assert_refuses(&with, &sealed, WARD_ERR_ARG, "has none");
}

static void test_a_changed_pcr_locks_and_another_does_not(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access plain = access_to(s, NULL), with_pin = access_to(s, "1234");
    struct tpm_sealed sealed, sealed_with_pin, after;

    seal_known(&plain, &sealed);
    seal_known(&with_pin, &sealed_with_pin);
    extend_pcr(s, 4);
    assert_opens(&plain, &sealed);
    assert_opens(&with_pin, &sealed_with_pin);
    extend_pcr(s, 7);
    assert_refuses(&plain, &sealed, WARD_ERR_AUTH, "a PCR has changed");
    assert_refuses(&with_pin, &sealed_with_pin, WARD_ERR_AUTH, "a PCR has changed");
    seal_known(&plain, &after);
    assert_opens(&plain, &after);
}

static void test_other_pcrs_than_sealed_to_do_not_open(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    struct tpm_sealed sealed;

    seal_known(&access, &sealed);
    access.pcrs = 1;
    assert_refuses(&access, &sealed, WARD_ERR_AUTH, "PCR");
    access.pcrs = PCRS | 1 << 2;
    assert_refuses(&access, &sealed, WARD_ERR_AUTH, "PCR");
}

static void test_wrong_pins_lock_the_chip_for_keys_with_pins_only(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access right = access_to(s, "1234"), wrong = access_to(s, "1235");
    struct tpm_access none = access_to(s, NULL), elsewhere = right;
    struct tpm_sealed sealed, open, late;

    seal_known(&right, &sealed);
    seal_known(&none, &open);
    for (int i = 0; i < WRONG_PINS_TO_LOCKOUT; i++)
        assert_refuses(&wrong, &sealed, WARD_ERR_AUTH, "wrong PIN");
    assert_refuses(&wrong, &sealed, WARD_ERR_DEVICE, "locked");
    assert_refuses(&right, &sealed, WARD_ERR_DEVICE, "locked");
    assert_opens(&none, &open);
    elsewhere.pcrs = 2;
    assert_refuses(&elsewhere, &sealed, WARD_ERR_AUTH, "PCR"); /* for which waiting is no help */
    seal_known(&right, &late);
    assert_refuses(&right, &late, WARD_ERR_DEVICE, "locked");
    stop(s);
    start(s);
    assert_refuses(&right, &sealed, WARD_ERR_DEVICE, "locked");
}

static void test_only_wrong_pins_count_towards_the_lockout(void **state)
{
    struct simulator *s = simulator_of(state);
    struct tpm_access right = access_to(s, "1234"), none = access_to(s, NULL);
    struct tpm_access elsewhere = right;
    struct tpm_sealed sealed, damaged;

    seal_known(&right, &sealed);
    damaged = sealed;
    damaged.bytes[sealed.len - 1] ^= 1;
    elsewhere.pcrs = 2;
    for (int i = 0; i < 2 * WRONG_PINS_TO_LOCKOUT; i++) {
        assert_refuses(&none, &sealed, WARD_ERR_AUTH, "none was given");
        assert_refuses(&elsewhere, &sealed, WARD_ERR_AUTH, "PCR");
        assert_refuses(&right, &damaged, WARD_ERR_AUTH, "altered");
        assert_opens(&right, &sealed);
    }
}

/* tpm2-tss can record what crosses. */
static void test_neither_key_nor_pin_crosses_the_bus_in_the_clear(void **state)
{
    static const char PIN[] = "a PIN of 24 bytes length";
    struct simulator *s = simulator_of(state);
    struct tpm_access access = access_to(s, PIN);
    struct tpm_sealed sealed;
    uint8_t key[TPM_KEY_LEN], *traffic;
    char tcti[80], record[64];
    size_t len;

    snprintf(record, sizeof(record), "%s/traffic.pcap", s->dir);
    snprintf(tcti, sizeof(tcti), "pcap:%s", s->tcti);
    setenv("TCTI_PCAP_FILE", record, 1);
    access.tcti = tcti;
    seal_known(&access, &sealed);
    assert_opens(&access, &sealed);
    unsetenv("TCTI_PCAP_FILE");
    assert_ok(file_read(record, 1 << 20, &traffic, &len));
    fill_key(key);
    /* The policy is no secret: it shows that the record is one. */
    assert_non_null(memmem(traffic, len, sealed.bytes + 12, TPM2_SHA256_DIGEST_SIZE));
    for (size_t i = 0; i + 8 <= TPM_KEY_LEN; i += 8)
        assert_null(memmem(traffic, len, key + i, 8));
    for (size_t i = 0; i + 8 <= strlen(PIN); i += 8)
        assert_null(memmem(traffic, len, PIN + i, 8));
    mem_free(traffic);
}

#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory as it was, and its own copies of stacks */
/* Where in the writable memory of this process the bytes lie that are the complement of hidden. */
static unsigned count_in_memory(const uint8_t *hidden, size_t len)
{
    static uint8_t chunk[1 << 16]; /* wiped each time, so that it counts for nothing */
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    unsigned long begin, end;
    unsigned count = 0;
    char line[512], mode[8];

    assert_true(maps && memory >= 0);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %7s", &begin, &end, mode) != 3 || mode[1] != 'w')
            continue;
        for (unsigned long at = begin; at < end; at += sizeof(chunk) - len) {
            ssize_t got = pread(memory, chunk, min_size(sizeof(chunk), end - at), (off_t)at);

            for (ssize_t i = 0; i + (ssize_t)len <= got; i++) {
                size_t same = 0;

                while (same < len && (chunk[i + (ssize_t)same] ^ hidden[same]) == 0xff)
                    same++;
                count += same == len;
            }
            mem_wipe(chunk, sizeof(chunk));
        }
    }
    fclose(maps);
    close(memory);
    return count;
}

/*
 * Byte by byte: what goes through a vector register lies on the stack as soon as the dynamic linker
 * looks up a function.
 */
static void complement(volatile uint8_t *to, const volatile uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)~from[i];
}

static void assert_nowhere(const uint8_t *hidden, size_t len)
{
    for (size_t i = 0; i + 16 <= len; i += 16)
        assert_int_equal(count_in_memory(hidden + i, 16), 0);
}

static void test_no_copy_of_key_or_pin_stays_in_memory(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    uint8_t key[TPM_KEY_LEN], pin[TPM_PIN_MAX], hidden_key[TPM_KEY_LEN], hidden_pin[TPM_PIN_MAX];
    struct tpm_sealed sealed;

    fill_key(hidden_key);
    for (size_t i = 0; i < sizeof(pin); i++)
        hidden_pin[i] = (uint8_t)(i * i * 29 + 6 * i + 2);
    complement(key, hidden_key, sizeof(key));
    complement(pin, hidden_pin, sizeof(pin));
    assert_true(count_in_memory(hidden_key, 16) > 0 && count_in_memory(hidden_pin, 16) > 0);
    access.pin = pin;
    access.pin_len = sizeof(pin);
    assert_ok(tpm_seal(&access, key, &sealed));
    mem_wipe(key, sizeof(key));
    assert_nowhere(hidden_key, sizeof(key));
    assert_ok(tpm_unseal(&access, sealed.bytes, sealed.len, key));
    complement(hidden_key, key, sizeof(key));
    mem_wipe(key, sizeof(key));
    mem_wipe(pin, sizeof(pin));
    assert_nowhere(hidden_key, sizeof(key));
    assert_nowhere(hidden_pin, sizeof(pin));
}
#endif

static void test_every_flipped_bit_is_refused(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    struct tpm_sealed sealed;

    seal_known(&access, &sealed);
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        uint8_t key[TPM_KEY_LEN] = {0}, untouched[TPM_KEY_LEN] = {0};
        ward_status st;

        sealed.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        st = tpm_unseal(&access, sealed.bytes, sealed.len, key);
        sealed.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (st != WARD_ERR_AUTH && st != WARD_ERR_FORMAT)
            fail_msg("bit %zu: expected WARD_ERR_AUTH or WARD_ERR_FORMAT, got %s: %s", bit,
                     ward_status_name(st), ward_error_message());
        if (memcmp(key, untouched, sizeof(key)) != 0)
            fail_msg("bit %zu: the key was written", bit);
    }
    assert_opens(&access, &sealed);
}

static void test_every_other_length_is_refused(void **state)
{
    struct tpm_access access = access_to(simulator_of(state), NULL);
    struct tpm_sealed sealed;
    uint8_t longer[TPM_SEALED_MAX + 1] = {0}, key[TPM_KEY_LEN];
    size_t whole;
    bool has_pin;

    seal_known(&access, &sealed);
    whole = sealed.len;
    memcpy(longer, sealed.bytes, whole);
    for (size_t len = 0; len <= sizeof(longer); len++) {
        if (len == whole)
            continue;
        assert_fails(tpm_unseal(&access, longer, len, key), WARD_ERR_FORMAT, "not a key");
        assert_fails(tpm_sealed_has_pin(longer, len, &has_pin), WARD_ERR_FORMAT, "not a key");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CHIP(test_a_sealed_key_is_unsealed),
        WITH_CHIP(test_every_set_of_pcrs_can_be_sealed_to),
        WITH_CHIP(test_a_pin_opens_and_another_does_not),
        WITH_CHIP(test_pins_of_any_bytes_and_length_open),
        WITH_CHIP(test_an_impossible_pin_or_set_of_pcrs_is_refused),
        WITH_CHIP(test_a_missing_and_a_needless_pin_are_said),
        WITH_CHIP(test_a_changed_pcr_locks_and_another_does_not),
        WITH_CHIP(test_other_pcrs_than_sealed_to_do_not_open),
        WITH_CHIP(test_wrong_pins_lock_the_chip_for_keys_with_pins_only),
        WITH_CHIP(test_only_wrong_pins_count_towards_the_lockout),
        WITH_CHIP(test_neither_key_nor_pin_crosses_the_bus_in_the_clear),
#ifndef __SANITIZE_ADDRESS__
        WITH_CHIP(test_no_copy_of_key_or_pin_stays_in_memory),
#endif
        WITH_CHIP(test_every_flipped_bit_is_refused),
        WITH_CHIP(test_every_other_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
