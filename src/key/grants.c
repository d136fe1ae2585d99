/* Users and dates: see grants.h. */
#include "key/grants.h"

#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/util.h"
#include "key/base64.h"
#include "key/header.h"

void date_today(char date[DATE_LEN + 1])
{
    time_t now = time(NULL);
    struct tm day;

    if (!gmtime_r(&now, &day) || strftime(date, DATE_LEN + 1, "%Y-%m-%d", &day) != DATE_LEN)
        memcpy(date, "9999-12-31", DATE_LEN + 1); /* a clock beyond all dates */
}

static bool digits(const char *text, size_t count, int *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = 10 * *out + text[i] - '0';
    }
    return true;
}

bool date_is_right(const char *text, size_t len)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    bool is_leap;

    if (len != DATE_LEN || text[4] != '-' || text[7] != '-' || !digits(text, 4, &year) ||
        !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day) || month < 1 || month > 12)
        return false;
    is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day >= 1 && day <= days[month - 1] + (month == 2 && is_leap);
}

/* ---- users ---- */

static bool name_is_right(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] < 0x21 || name[i] > 0x7e)
            return false;
    return len >= 1 && len <= GRANT_NAME_MAX;
}

void grant_format_key(const struct grant *grant, char text[PUBLIC_TEXT_MAX])
{
    struct public_key key = {.type = WARD_KEY_USER};

    memcpy(key.x25519, grant->x25519, X25519_LEN);
    public_key_format(&key, text);
}

size_t grants_find(const struct grant_list *list, const uint8_t x25519[X25519_LEN])
{
    for (size_t i = 0; i < list->count; i++)
        if (memcmp(list->items[i].x25519, x25519, X25519_LEN) == 0)
            return i;
    return list->count;
}

static ward_status append(struct grant_list *list, const struct grant *grant)
{
    ward_status st = WARD_OK;

    if (list->count == GRANTS_MAX)
        return ward_fail(WARD_ERR_ARG, "more than %d users", GRANTS_MAX);
    if (list->count == list->cap) {
        size_t wider = max_size(16, 2 * list->cap);

        st = mem_resize(&list->items, list->cap, wider, sizeof *list->items);
        if (!st)
            list->cap = wider;
    }
    if (!st)
        list->items[list->count++] = *grant;
    return st;
}

ward_status grants_add(struct grant_list *list, const uint8_t x25519[X25519_LEN], const char *name,
                       bool *is_new)
{
    struct grant grant = {.name = "-"};

    *is_new = grants_find(list, x25519) == list->count;
    if (!*is_new)
        return WARD_OK;
    if (name && !name_is_right(name, strlen(name)))
        return ward_fail(WARD_ERR_ARG, "a name has 1 to %d bytes of printable ASCII without blanks",
                         GRANT_NAME_MAX);
    memcpy(grant.x25519, x25519, X25519_LEN);
    date_today(grant.date);
    if (name)
        memcpy(grant.name, name, strlen(name) + 1);
    return append(list, &grant);
}

void grants_remove(struct grant_list *list, size_t place)
{
    list->count--;
    memmove(list->items + place, list->items + place + 1,
            (list->count - place) * sizeof *list->items);
}

void grants_format(const struct grant_list *list, struct wr *out)
{
    char key[X25519_TEXT_LEN + 1];

    for (size_t i = 0; i < list->count; i++) {
        base64_encode(list->items[i].x25519, X25519_LEN, key);
        wr_printf(out, "%s %s %s\n", key, list->items[i].date, list->items[i].name);
    }
}

static bool parse_line(const char *line, size_t len, struct grant *out)
{
    const size_t date = X25519_TEXT_LEN + 1, name = date + DATE_LEN + 1;

    if (len < name || line[date - 1] != ' ' || line[name - 1] != ' ' ||
        !base64_decode(line, X25519_TEXT_LEN, out->x25519, X25519_LEN) ||
        !date_is_right(line + date, DATE_LEN) || !name_is_right(line + name, len - name))
        return false;
    memcpy(out->date, line + date, DATE_LEN);
    out->date[DATE_LEN] = '\0';
    memcpy(out->name, line + name, len - name);
    out->name[len - name] = '\0';
    return true;
}

ward_status grants_parse(const char *text, size_t len, struct grant_list *out)
{
    struct grant_list list = {.items = NULL};
    struct grant grant;
    ward_status st = WARD_OK;

    while (len > 0 && !st) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : 0;

        if (!end || !parse_line(text, line, &grant) ||
            grants_find(&list, grant.x25519) < list.count)
            st = ward_fail(WARD_ERR_FORMAT, "its list of users is broken");
        else
            st = append(&list, &grant);
        text += line + 1;
        len -= min_size(line + 1, len);
    }
    if (st)
        grants_release(&list);
    else
        *out = list;
    return st == WARD_ERR_ARG ? WARD_ERR_FORMAT : st;
}

void grants_release(struct grant_list *list)
{
    if (list->items)
        mem_wipe(list->items, list->cap * sizeof *list->items);
    mem_free(list->items);
    *list = (struct grant_list){.items = NULL};
}
