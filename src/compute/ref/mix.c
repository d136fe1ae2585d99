/* What mixes the values of an image without regard to where they are: order, factors, Hadamard. */
#include "compute/ref/ref.h"

static size_t image_len(const struct ref_op *op)
{
    return op->in[0].c * op->in[0].h * op->in[0].w;
}

/* The element of x that element i of y is. */
static size_t source_of(const struct ref_op *op, size_t i)
{
    size_t len = image_len(op);

    return op->param[0] ? i / len * len + (size_t)op->param[0][i % len] : i;
}

void ref_permute_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = op->x[0][source_of(op, i)];
}

void ref_permute_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][source_of(op, i)] += op->dy[i];
}

void ref_multiply_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = op->param[0][i % image_len(op)] * op->x[0][i];
}

void ref_multiply_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += op->param[0][i % image_len(op)] * op->dy[i];
}

/* Entry (i, j) of Sylvester's matrix is -1 to the number of ones that i and j share. */
static double entry(size_t i, size_t j)
{
    size_t ones = 0;

    for (size_t both = i & j; both; both >>= 1)
        ones += both & 1;
    return ones % 2 ? -1 : 1;
}

static float product(const float *block, size_t i)
{
    double sum = 0;

    for (size_t j = 0; j < HADAMARD_BLOCK; j++)
        sum += entry(i, j) * (double)block[j];
    return (float)(sum / 4);
}

void ref_hadamard_forward(const struct ref_op *op)
{
    for (size_t i = 0; i < dims_count(op->in[0]); i++)
        op->y[i] = product(op->x[0] + i / HADAMARD_BLOCK * HADAMARD_BLOCK, i % HADAMARD_BLOCK);
}

/* The matrix is symmetric. */
void ref_hadamard_backward(const struct ref_op *op)
{
    for (size_t i = 0; op->dx[0] && i < dims_count(op->in[0]); i++)
        op->dx[0][i] += product(op->dy + i / HADAMARD_BLOCK * HADAMARD_BLOCK, i % HADAMARD_BLOCK);
}
