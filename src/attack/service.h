/*
 * The owner's service, as one adversary uses it: G and F on his images. He goes through the same
 * ones again and again, so what was answered once is kept, and not computed again.
 */
#ifndef ATTACK_SERVICE_H
#define ATTACK_SERVICE_H

#include "model/run.h"

struct service;

/*
 *   out     owned: service_close()
 *   run     with its transform; kept
 *   device  kept
 *   images  how many different ones are asked about; of more, the first so many are kept
 *
 * WARD_ERR_NOMEM.
 */
WARD_CHECK ward_status service_open(struct service **out, const ward_run *run, ward_device *device,
                                    size_t images);
/* Wipes what was kept. NULL is fine. */
void service_close(struct service *service);

/* As session_run(), but x and y do not overlap. WARD_ERR_NOMEM. */
WARD_CHECK ward_status service_run(struct service *service, enum pass pass, size_t n,
                                   const float *x, float *y);

#endif
