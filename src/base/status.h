/* How the inside of the library reports a failure: see ward/status.h for what a caller sees. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "ward/status.h"

#if defined(__GNUC__)
#define BASE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define BASE_PRINTF(text, first)
#endif

/*
 * Store the text for ward_error_message() and return status. Called once, where a failure is
 * found; callers further up pass the status on untouched. status must not be WARD_OK.
 */
ward_status ward_fail(ward_status status, const char *format, ...) BASE_PRINTF(2, 3);

/*
 * Put "what: " in front of the stored text and return status: for the one place that knows the
 * file when only the parser below it knew the fault.
 */
ward_status ward_fail_within(ward_status status, const char *format, ...) BASE_PRINTF(2, 3);

#endif
