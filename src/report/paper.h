/* What Chen & Wu print: Tables 2 and 3 of "Protect Your Deep Neural Networks from Piracy". */
#ifndef REPORT_PAPER_H
#define REPORT_PAPER_H

#include "ward/method.h"

/* Fractions; NaN where the paper has no number. */
struct paper_cell {
    double authorised, unauthorised;
};

struct paper_cell paper_accuracy(const char *data, const char *arch, ward_method method);

struct paper_attack {
    double mean, best;
};

/* pairs: the share of training pairs; NaN for an attack without. */
struct paper_attack paper_attack(const char *data, const char *arch, ward_method method,
                                 const char *attack, double pairs);

#endif
