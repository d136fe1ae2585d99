/*
 * What the tests of reports share: results as text, to be put into runs or damaged. Include after
 * cmocka.h.
 */
#ifndef REPORT_FIXTURE_H
#define REPORT_FIXTURE_H

#include <string.h>

#include "base/mem.h"
#include "model_fixture.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define ATTACK(settings, trials)                                               \
    "{\"format_version\": 1, \"attack\": \"pair\", \"model_id\": \"" ID "\", " \
    "\"chosen\": null, \"settings\": " settings ", \"trials\": " trials "}"

/* Strings that are put together. */
/* clang-format off */
#define CELL(attack, id, knows, amount, trial, accuracy, tries)              \
    "{\"attack\": \"" attack "\", \"id\": \"" id "\", \"knows\": \"" knows \
    "\", \"amount\": " amount ", \"trial\": " trial ", \"accuracy\": " accuracy \
    ", \"tries\": [" tries "]}"
#define TRY(what, accuracy) "{\"what\": \"" what "\", \"accuracy\": " accuracy "}"

static const char redteam_text[] =
    "{\"suite\": \"v1\", \"format_version\": 1, \"model_id\": \"" ID "\", \"budget\": \"quick\", "
    "\"seed\": 9007199254740992, \"is_disjoint\": true, \"test_count\": 10000, "
    "\"choice_count\": 2000, \"authorised\": 0.9, \"unauthorised\": 0.01, \"chance\": 0.1, "
    "\"from_chance\": 0.09, \"readout\": 0.5, \"readout_control\": null, \"cost\": 0.25, "
    "\"kstar_attack\": 32.5, \"kstar_scratch\": null, \"kstar_ratio\": 0.325, "
    "\"kstar_ratio_is_bound\": true, \"without_labels\": null, \"sentence\": \"A <thief>.\", "
    "\"best\": {\"10\": {\"attack\": \"universal\", \"accuracy\": 0.75}, "
    "\"100\": {\"attack\": \"universal\", \"accuracy\": 0.875}}, "
    "\"adv\": {\"10\": 0.25, \"100\": null}, "
    "\"adv_ci95\": {\"10\": [0.125, 0.375], \"100\": [null, null]}, "
    "\"best_pairs\": {}, \"adv_pairs\": {}, \"adv_pairs_ci95\": {}, "
    "\"flags\": [{\"flag\": \"below-chance\", \"detail\": \"1 % | 10 %\"}], \"attacks\": ["
    CELL("universal", "A3", "labelled", "100", "0", "0.875", "") ", "
    CELL("universal", "A3", "labelled", "10", "0", "0.5", "") ", "
    CELL("universal", "A3", "labelled", "10", "1", "1", "") ", "
    CELL("scratch", "C0", "labelled", "10", "0", "0.5", "") ", "
    CELL("input-only", "A2", "nothing", "0", "0", "0.125",
         TRY("pattern 1 of 72", "0.1") ", " TRY("pattern 7 of 72", "0.2")) ", "
    CELL("key-search", "A13", "labelled", "100", "0", "0.125",
         TRY("key 1 of 2", "0.1") ", " TRY("key 2 of 2", "0.3") ", "
         TRY("the best of 50 keys", "0.3")) ", "
    CELL("partial-key", "A13 control", "labelled", "100", "0", "0.5",
         TRY("0 % of the key", "0.1") ", " TRY("0 % of the key, improved", "0.2") ", "
         TRY("90 % of the key", "0.8") ", " TRY("90 % of the key, other", "0.9")) "]}";
/* clang-format on */

/* The text with one piece in the place of another, owned. */
static inline char *redteam_with(const char *from, const char *to)
{
    const char *at = strstr(redteam_text, from);
    char *made = NULL;

    if (!at)
        fail_msg("'%s' is not in the text", from);
    assert_ok(mem_printf(&made, "%.*s%s%s", (int)(at - redteam_text), redteam_text, to,
                         at + strlen(from)));
    return made;
}

#endif
