/*
 * What a report reads of runs: the first byte says which file follows. '0' metrics.jsonl, '1'
 * eval.json, '2' the result of an attack, '3' what the red team has found.
 */
#include "report/history.h"
#include "report/redteam.h"
#include "report/scores.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct history history = {.point_count = 0};
    struct attack_scores scores = {.trial_count = 0};
    struct redteam_scores redteam = {.line_count = 0};
    struct evaluation evaluation;
    const char *text = (const char *)data + 1;

    if (len == 0)
        return 0;
    if (data[0] == '0' && history_parse(&history, text, len - 1) == WARD_OK)
        history_release(&history);
    if (data[0] == '1' && evaluation_parse(&evaluation, text, len - 1) != WARD_OK)
        return 0;
    if (data[0] == '2' && attack_scores_parse(&scores, text, len - 1) == WARD_OK)
        attack_scores_release(&scores);
    if (data[0] == '3' && redteam_parse(&redteam, text, len - 1) == WARD_OK)
        redteam_release(&redteam);
    return 0;
}
