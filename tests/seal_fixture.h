/* An owner, users, and something sealed to them: for the tests of sealing. */
#ifndef SEAL_FIXTURE_H
#define SEAL_FIXTURE_H

#include <stdio.h>

#include "key/seal.h"

#define assert_ok(call) check_ok((call), #call)
#define assert_fails(call, status, word) check_fails((call), (status), (word), #call)

static inline void check_ok(ward_status st, const char *what)
{
    if (st)
        fail_msg("%s: %s (%s)", what, ward_status_name(st), ward_error_message());
}

static inline void check_fails(ward_status st, ward_status wanted, const char *word,
                               const char *what)
{
    if (st != wanted || !strstr(ward_error_message(), word))
        fail_msg("%s: %s (%s), expected %s with '%s'", what, ward_status_name(st),
                 ward_error_message(), ward_status_name(wanted), word);
}

enum { FIXTURE_USERS = 3 };

static const char fixture_id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char other_id[] = "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct seal_fixture {
    struct identity owner, user[FIXTURE_USERS], stranger;
    struct grant_list grants; /* the first two users */
    struct seal seal;
};

static inline void fixture_init(struct seal_fixture *f)
{
    bool is_new;

    *f = (struct seal_fixture){.owner = IDENTITY_INIT};
    assert_ok(identity_new(WARD_KEY_OWNER, &f->owner));
    assert_ok(identity_new(WARD_KEY_USER, &f->stranger));
    for (int i = 0; i < FIXTURE_USERS; i++)
        assert_ok(identity_new(WARD_KEY_USER, &f->user[i]));
    assert_ok(grants_add(&f->grants, f->user[0].public.x25519, "alice", &is_new));
    assert_ok(grants_add(&f->grants, f->user[1].public.x25519, NULL, &is_new));
    f->seal = (struct seal){
        .kind = "transform", .id = fixture_id, .owner = f->owner.public, .grants = &f->grants};
}

static inline void fixture_release(struct seal_fixture *f)
{
    identity_release(&f->owner);
    identity_release(&f->stranger);
    for (int i = 0; i < FIXTURE_USERS; i++)
        identity_release(&f->user[i]);
    grants_release(&f->grants);
}

/* Open with one identity; *plain is owned. */
static inline ward_status fixture_open(const struct wr *file, const struct identity *with,
                                       uint8_t **plain, size_t *len)
{
    struct sealed s = SEALED_INIT;
    uint8_t *out = NULL;
    ward_status st = sealed_parse(&s, file->data, file->len, "transform");

    if (!st)
        st = sealed_unlock(&s, with, 1);
    if (!st)
        st = mem_new(&out, s.plain_len, 1);
    if (!st)
        st = sealed_payload(&s, out);
    if (!st) {
        *plain = out;
        *len = s.plain_len;
        out = NULL;
    }
    mem_free(out);
    sealed_release(&s);
    return st;
}

#endif
