/* Secret draws: draw.h has the derivation. */
#include "key/draw.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "base/variates.h"
#include "key/secret.h"

enum { BLOCK_LEN = 64 };

ward_status draw_init(struct draw *draw, const uint8_t seed[DRAW_SEED_LEN], const char *label)
{
    ward_status st = key_start();

    if (st)
        return st;
    *draw = (struct draw){.used = DRAW_BUFFER_LEN};
    crypto_generichash(draw->key, sizeof(draw->key), (const uint8_t *)label, strlen(label), seed,
                       DRAW_SEED_LEN);
    return WARD_OK;
}

static void refill(struct draw *draw)
{
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];

    assert(draw->blocks <= UINT32_MAX);
    memset(draw->buffer, 0, sizeof(draw->buffer));
    crypto_stream_chacha20_ietf_xor_ic(draw->buffer, draw->buffer, sizeof(draw->buffer), nonce,
                                       (uint32_t)draw->blocks, draw->key);
    draw->blocks += sizeof(draw->buffer) / BLOCK_LEN;
    draw->used = 0;
}

uint32_t draw_u32(struct draw *draw)
{
    const uint8_t *p;

    if (draw->used == sizeof(draw->buffer))
        refill(draw);
    p = draw->buffer + draw->used;
    draw->used += 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

float draw_uniform(struct draw *draw)
{
    return variate_uniform(draw_u32(draw));
}

float draw_normal(struct draw *draw)
{
    uint32_t a = draw_u32(draw), b = draw_u32(draw);

    return variate_normal(a, b);
}

uint32_t draw_below(struct draw *draw, uint32_t n)
{
    uint32_t below;

    assert(n > 0);
    while (!variate_below(draw_u32(draw), n, &below))
        ;
    return below;
}

void draw_release(struct draw *draw)
{
    mem_wipe(draw, sizeof(*draw));
}
