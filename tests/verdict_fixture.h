/* Asking a verdict. Include after cmocka.h. */
#ifndef VERDICT_FIXTURE_H
#define VERDICT_FIXTURE_H

#include <string.h>

#include "ward/redteam.h"

static inline bool has_flag(const ward_redteam_verdict *v, const char *name)
{
    for (size_t i = 0; i < v->flag_count; i++)
        if (strcmp(v->flags[i].name, name) == 0)
            return true;
    return false;
}

#endif
