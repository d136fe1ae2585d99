/* What there is of sealing to a TPM without tpm2-tss: lists of PCRs, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tpm/tpm.h"

static void test_each_set_of_pcrs_has_one_text(void **state)
{
    static const struct {
        uint32_t pcrs;
        const char *text;
    } known[] = {
        {0x000001, "sha256:0"},
        {0x000081, "sha256:0,7"},
        {0x800000, "sha256:23"},
        {0x0004b5, "sha256:0,2,4,5,7,10"},
        {0xffffff, "sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char text[TPM_PCRS_TEXT_LEN];
        uint32_t pcrs = 0;

        tpm_pcrs_format(known[i].pcrs, text);
        assert_string_equal(text, known[i].text);
        assert_int_equal(tpm_pcrs_parse(known[i].text, &pcrs), WARD_OK);
        assert_int_equal(pcrs, known[i].pcrs);
    }
    for (uint32_t pcrs = 1; pcrs < 1 << 12; pcrs++) {
        char text[TPM_PCRS_TEXT_LEN];
        uint32_t again = 0;

        tpm_pcrs_format(pcrs << 12 | pcrs, text);
        assert_int_equal(tpm_pcrs_parse(text, &again), WARD_OK);
        assert_int_equal(again, pcrs << 12 | pcrs);
    }
}

static void test_other_texts_are_no_list_of_pcrs(void **state)
{
    static const char *const bad[] = {"",
                                      "sha256",
                                      "sha256:",
                                      "sha256:,",
                                      "sha256:0,",
                                      "sha256:,0",
                                      "sha256:24",
                                      "sha256:7,0",
                                      "sha256:7,7",
                                      "sha256:07",
                                      "sha256:00",
                                      "sha256:-1",
                                      "sha256:+1",
                                      "sha256: 1",
                                      "sha256:1 ",
                                      "sha256:0 7",
                                      "sha256:0;7",
                                      "sha256:1\n",
                                      "sha256:0x1",
                                      "SHA256:0",
                                      "sha1:0",
                                      "sha256:0,,7",
                                      "0,7",
                                      "sha256:all",
                                      "sha256:100",
                                      "sha256:240",
                                      "sha256:4294967297",
                                      "sha256:99999999999999999999999",
                                      "sha256:0+sha1:0"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t pcrs = 0xabcdef;
        ward_status st = tpm_pcrs_parse(bad[i], &pcrs);

        if (st != WARD_ERR_ARG || pcrs != 0xabcdef)
            fail_msg("'%s': expected WARD_ERR_ARG and nothing written, got %s and 0x%x", bad[i],
                     ward_status_name(st), (unsigned)pcrs);
    }
}

static void assert_says_why(ward_status st)
{
    assert_int_equal(st, WARD_ERR_DEVICE);
    assert_non_null(strstr(ward_error_message(), "without tpm2-tss"));
}

static void test_without_tpm2_tss_each_call_says_so(void **state)
{
    const struct tpm_access access = {.pcrs = 1};
    struct tpm_sealed sealed = {.len = 77};
    uint8_t key[TPM_KEY_LEN] = {5};
    bool has_pin = true;

    (void)state;
    assert_false(tpm_is_built_in());
    assert_says_why(tpm_seal(&access, key, &sealed));
    assert_says_why(tpm_unseal(&access, sealed.bytes, 10, key));
    assert_says_why(tpm_sealed_has_pin(sealed.bytes, 10, &has_pin));
    assert_true(sealed.len == 77 && key[0] == 5 && has_pin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_set_of_pcrs_has_one_text),
        cmocka_unit_test(test_other_texts_are_no_list_of_pcrs),
        cmocka_unit_test(test_without_tpm2_tss_each_call_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
