/*
 * Sessions: F, G and F after G as compiled plans, each made when it is first needed. Batch norm
 * goes by the running statistics, so that an image's result does not depend on its neighbours.
 */
#include <math.h>

#include "base/mem.h"
#include "base/util.h"
#include "model/run.h"

/* One pass, compiled. */
struct pipe {
    struct graph graph;
    struct plan *plan; /* NULL: not yet */
    int input, result;
};

struct ward_session {
    const ward_run *run; /* kept */
    ward_device *device; /* kept */
    size_t batch;
    struct pipe pipes[PASS_COUNT];
};

ward_status ward_session_new(ward_session **out, const ward_run *run, ward_device *device,
                             size_t batch)
{
    struct ward_session *session = NULL;
    ward_status st;

    if (batch < 1)
        return ward_fail(WARD_ERR_ARG, "a session for batches of 0 images");
    st = mem_new(&session, 1, sizeof *session);
    if (st)
        return st;
    session->run = run;
    session->device = device;
    session->batch = batch;
    *out = session;
    return WARD_OK;
}

void ward_session_free(ward_session *session)
{
    for (int pass = 0; session && pass < PASS_COUNT; pass++) {
        plan_free(session->pipes[pass].plan);
        graph_release(&session->pipes[pass].graph);
    }
    mem_free(session);
}

static size_t image_len(const struct ward_session *session)
{
    const struct net_spec *spec = &session->run->model.net.spec;

    return spec->channels * spec->height * spec->width;
}

size_t session_result_len(const struct ward_session *session, enum pass pass)
{
    return pass == PASS_TRANSFORM ? image_len(session) : session->run->model.net.spec.classes;
}

static ward_status pipe_build(struct pipe *pipe, const struct ward_session *session, enum pass pass)
{
    const ward_run *run = session->run;
    const struct net_spec *spec = &run->model.net.spec;
    const struct net_use use = {.keeps_running = false, .is_frozen = true};
    int x;

    graph_init(&pipe->graph);
    x = graph_input(&pipe->graph,
                    (struct dims){session->batch, spec->channels, spec->height, spec->width});
    pipe->input = x;
    if (pass != PASS_RAW)
        x = transform_build(&run->transform.spec, &pipe->graph, x, true);
    if (pass != PASS_TRANSFORM)
        x = net_build(spec, &pipe->graph, x, use);
    pipe->result = x;
    return graph_finish(&pipe->graph);
}

static ward_status pipe_open(struct pipe *pipe, const struct ward_session *session, enum pass pass)
{
    const ward_run *run = session->run;
    const struct tensor_list *const lists[] = {&run->model.net.params, &run->transform.params};
    struct plan_options options = {.bn = BN_RUNNING, .is_secret = run->has_transform};
    ward_status st = pipe_build(pipe, session, pass);

    if (!st) {
        options.outputs[0] = pipe->result;
        options.output_count = 1;
        st = plan_compile(&pipe->plan, session->device, &pipe->graph, &options);
    }
    if (!st)
        st = params_load(pipe->plan, lists, 2);
    if (st) {
        plan_free(pipe->plan);
        pipe->plan = NULL;
        graph_release(&pipe->graph);
    }
    return st;
}

/* The rows past n of a last, smaller batch are computed, too, and ignored. */
static ward_status pipe_run(struct pipe *pipe, size_t n, size_t x_len, size_t y_len, const float *x,
                            float *y)
{
    ward_status st;

    if (!all_finite(x, n * x_len)) /* a layer might make a number of it */
        return ward_fail(WARD_ERR_ARG, "a value of the input is not finite");
    memcpy(plan_input(pipe->plan, pipe->input), x, n * x_len * sizeof(float));
    st = plan_forward(pipe->plan);
    if (st)
        return st;
    memcpy(y, plan_output(pipe->plan, pipe->result), n * y_len * sizeof(float));
    return all_finite(y, n * y_len)
               ? WARD_OK
               : ward_fail(WARD_ERR_NUMERIC, "the network's output is not finite");
}

ward_status session_run(struct ward_session *session, enum pass pass, size_t n, const float *x,
                        float *y)
{
    struct pipe *pipe = &session->pipes[pass];
    size_t x_len = image_len(session), y_len = session_result_len(session, pass);
    ward_status st = WARD_OK;

    if (pass != PASS_RAW && !session->run->has_transform)
        return ward_fail(WARD_ERR_ARG, "the run has no transform");
    if (!pipe->plan)
        st = pipe_open(pipe, session, pass);
    for (size_t done = 0; done < n && !st; done += session->batch)
        st = pipe_run(pipe, min_size(n - done, session->batch), x_len, y_len, x + done * x_len,
                      y + done * y_len);
    return st;
}

struct plan *session_plan(const struct ward_session *session, enum pass pass)
{
    return session->pipes[pass].plan;
}

ward_status ward_session_transform(ward_session *session, size_t n, const float *x, float *y)
{
    return session_run(session, PASS_TRANSFORM, n, x, y);
}

/* In place; less the largest first, so that nothing overflows. */
static void softmax(float *values, size_t count)
{
    float largest = values[0];
    double sum = 0;

    for (size_t k = 1; k < count; k++)
        largest = fmaxf(largest, values[k]);
    for (size_t k = 0; k < count; k++)
        sum += exp((double)values[k] - (double)largest);
    for (size_t k = 0; k < count; k++)
        values[k] = (float)(exp((double)values[k] - (double)largest) / sum);
}

ward_status ward_session_predict(ward_session *session, size_t n, const float *x, bool is_raw,
                                 float *probabilities)
{
    bool has_raw_only = session->run->model.method == WARD_METHOD_BASELINE;
    size_t classes = session->run->model.net.spec.classes;
    ward_status st = session_run(session, is_raw || has_raw_only ? PASS_RAW : PASS_AUTHORISED, n, x,
                                 probabilities);

    for (size_t i = 0; i < n && !st; i++)
        softmax(probabilities + i * classes, classes);
    return st;
}
