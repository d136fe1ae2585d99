/*
 * libward: image classifiers that work only for holders of a secret transform.
 *
 * Including this header includes all of the public interface. A complete program that trains a
 * protected network and evaluates it with and without its transform (as the settings name no owner,
 * G is a plain file of mode 0600 here):
 *
 *     #include <stdio.h>
 *     #include <ward/ward.h>
 *
 *     int main(void)
 *     {
 *         ward_device *device = NULL;
 *         ward_dataset *data = NULL;
 *         ward_run *run = NULL;
 *         ward_train_config config;
 *         ward_evaluation e;
 *         ward_status st = ward_device_open(&device, "cpu");
 *
 *         if (!st)
 *             st = ward_train_defaults(&config, "demo", "fashion-mnist", "simple-cnn",
 *                                      WARD_METHOD_GENERATOR);
 *         if (!st)
 *             st = ward_train(device, &config, &(ward_train_options){.out = "my-run"});
 *         if (!st)
 *             st = ward_run_open(&run, "my-run");
 *         if (!st)
 *             st = ward_dataset_open(&data, "fashion-mnist");
 *         if (!st)
 *             st = ward_evaluate(run, device, data, WARD_SPLIT_TEST, false, &e, NULL, NULL);
 *         if (!st) {
 *             printf("authorised %.4f, unauthorised %.4f\n", e.authorised, e.unauthorised);
 *             ward_evaluation_release(&e);
 *         } else {
 *             fprintf(stderr, "%s\n", ward_error_message());
 *         }
 *         ward_dataset_free(data);
 *         ward_run_close(run);
 *         ward_device_close(device);
 *         return st != WARD_OK;
 *     }
 *
 * Threads: different objects may be used from different threads at once. What may be shared is said
 * with each type. Errors: ward/status.h.
 */
#ifndef WARD_WARD_H
#define WARD_WARD_H

#include "ward/attack.h"
#include "ward/bench.h"
#include "ward/data.h"
#include "ward/device.h"
#include "ward/guard.h"
#include "ward/image.h"
#include "ward/key.h"
#include "ward/keyspace.h"
#include "ward/method.h"
#include "ward/npy.h"
#include "ward/onnx.h"
#include "ward/redteam.h"
#include "ward/report.h"
#include "ward/reproduce.h"
#include "ward/run.h"
#include "ward/serve.h"
#include "ward/status.h"
#include "ward/train.h"
#include "ward/version.h"

#endif
