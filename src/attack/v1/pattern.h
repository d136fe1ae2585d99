/* One pattern that is added to every image, searched for: what A3 and A4 have in common. */
#ifndef ATTACK_V1_PATTERN_H
#define ATTACK_V1_PATTERN_H

#include "attack/search.h"

/* Try bounds, rates and restarts, as many as the budget allows, and each bound also with another
 * backward pass (A15). */
WARD_CHECK ward_status pattern_attempt(struct thief *thief, const struct search_loss *loss);

#endif
