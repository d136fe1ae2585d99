/* The paper's tables: see paper.h. */
#include "report/paper.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { METHODS = WARD_METHOD_GENERATOR + 1 };

/* Table 2, in percent. */
static const struct column {
    const char *data, *arch;
    struct paper_cell method[METHODS];
} table2[] = {
    {"mnist", "simple-cnn", {{99.12, (double)NAN}, {99.24, 0.24}, {99.18, 0.10}, {99.23, 0.23}}},
    {"fashion-mnist",
     "simple-cnn",
     {{91.80, (double)NAN}, {91.88, 1.09}, {92.06, 2.18}, {91.82, 2.76}}},
    {"fashion-mnist",
     "resnet20",
     {{92.63, (double)NAN}, {91.65, 0.63}, {92.56, 0.65}, {92.55, 1.55}}},
    {"cifar10", "resnet20", {{90.74, (double)NAN}, {89.73, 0.52}, {90.58, 0.86}, {90.61, 0.78}}},
};

/* Table 3, resnet20 on Fashion-MNIST, in percent. */
static const struct line {
    const char *attack;
    ward_method method;
    double pairs; /* 0: none */
    struct paper_attack result;
} table3[] = {
    {"direct", WARD_METHOD_FIXED, 0, {0.63, (double)NAN}},
    {"direct", WARD_METHOD_LEARNED, 0, {0.65, (double)NAN}},
    {"direct", WARD_METHOD_GENERATOR, 0, {1.55, (double)NAN}},
    {"input-only", WARD_METHOD_FIXED, 0, {66.23, 78.96}},
    {"input-only", WARD_METHOD_LEARNED, 0, {55.37, 79.42}},
    {"input-only", WARD_METHOD_GENERATOR, 0, {3.17, 4.95}},
    {"pair", WARD_METHOD_GENERATOR, 0.1, {75.05, 82.11}},
    {"pair", WARD_METHOD_GENERATOR, 0.5, {76.31, 84.17}},
    {"pair", WARD_METHOD_GENERATOR, 1, {77.24, 86.00}},
};

static const double percent = 100;

struct paper_cell paper_accuracy(const char *data, const char *arch, ward_method method)
{
    for (size_t i = 0; (int)method < METHODS && i < sizeof table2 / sizeof table2[0]; i++)
        if (strcmp(data, table2[i].data) == 0 && strcmp(arch, table2[i].arch) == 0)
            return (struct paper_cell){table2[i].method[method].authorised / percent,
                                       table2[i].method[method].unauthorised / percent};
    return (struct paper_cell){(double)NAN, (double)NAN};
}

static bool same_share(double a, double b)
{
    const double digits = 1e-9;

    return fabs((isfinite(a) ? a : 0) - b) < digits;
}

struct paper_attack paper_attack(const char *data, const char *arch, ward_method method,
                                 const char *attack, double pairs)
{
    bool is_table3 = strcmp(data, "fashion-mnist") == 0 && strcmp(arch, "resnet20") == 0;

    for (size_t i = 0; is_table3 && i < sizeof table3 / sizeof table3[0]; i++)
        if (strcmp(attack, table3[i].attack) == 0 && method == table3[i].method &&
            same_share(pairs, table3[i].pairs))
            return (struct paper_attack){table3[i].result.mean / percent,
                                         table3[i].result.best / percent};
    return (struct paper_attack){(double)NAN, (double)NAN};
}
