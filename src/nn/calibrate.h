/*
 * Batch norm of networks that were stored without any. A file for running a network may have folded
 * its batch norm into the convolutions; read back, the batch norm is there again, but neutral: it
 * changes nothing. For evaluation that is all right. Trained like that, the network would be torn
 * to pieces by the first step, which normalises by the batch; so it is calibrated before.
 */
#ifndef NN_CALIBRATE_H
#define NN_CALIBRATE_H

#include "nn/net.h"

/* The running variance of a neutral batch norm, whose running mean minus its shift is what is added
 * to the convolution, and whose scale is 1. */
float neutral_variance(float epsilon);

/*
 * Give each neutral batch norm of a net the statistics of its input over some images, and the scale
 * and shift that undo them: in evaluation the net computes what it did, to rounding, and a training
 * starts from there. Others are left alone.
 *
 *   device  borrowed
 *   images  [n, channels, height, width], n >= 1: what the network was trained on
 */
WARD_CHECK ward_status net_calibrate(struct net *net, struct ward_device *device, size_t n,
                                     const float *images);

/* Whether there is a batch norm to calibrate. WARD_ERR_NOMEM. */
WARD_CHECK ward_status net_is_neutral(const struct net *net, bool *out);

#endif
