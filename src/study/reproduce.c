/* The public side: ward/reproduce.h. */
#include "ward/reproduce.h"

#include "base/file.h"
#include "base/mem.h"
#include "study/tables.h"

struct ward_reproduction {
    struct study study;
};

ward_status ward_reproduction_open(ward_reproduction **out, ward_device *device,
                                   const ward_reproduce_config *config)
{
    ward_reproduction *made = NULL;
    ward_status st = mem_new(&made, 1, sizeof *made);

    if (st)
        return st;
    st = study_plan(&made->study, device, config);
    if (!st)
        st = study_look(&made->study);
    if (!st)
        st = study_estimate(&made->study);
    if (st)
        ward_reproduction_close(made);
    else
        *out = made;
    return st;
}

void ward_reproduction_close(ward_reproduction *reproduction)
{
    if (reproduction)
        study_release(&reproduction->study);
    mem_free(reproduction);
}

const char *ward_reproduction_state(const ward_reproduction *reproduction)
{
    return reproduction->study.state;
}

const char *ward_reproduction_missing(const ward_reproduction *reproduction, size_t i)
{
    return i < reproduction->study.missing_count ? reproduction->study.missing[i] : NULL;
}

const char *ward_reproduce_kind_name(ward_reproduce_kind kind)
{
    switch (kind) {
    case WARD_REPRODUCE_TRAIN: return "train";
    case WARD_REPRODUCE_EVALUATE: return "evaluate";
    case WARD_REPRODUCE_ATTACK: return "attack";
    case WARD_REPRODUCE_FIGURE: return "figure";
    }
    return NULL;
}

size_t ward_reproduction_count(const ward_reproduction *reproduction)
{
    return reproduction->study.item_count;
}

void ward_reproduction_item(const ward_reproduction *reproduction, size_t i,
                            ward_reproduce_item *out)
{
    const struct study *study = &reproduction->study;
    const struct study_item *item = &study->items[i];
    bool is_attack = item->kind == WARD_REPRODUCE_ATTACK;

    *out = (ward_reproduce_item){
        .kind = item->kind,
        .run = item->kind == WARD_REPRODUCE_FIGURE ? study->figures[item->at].name
                                                   : study_item_run(study, item)->name,
        .attack = is_attack ? study->attacks[item->at].attack->title : NULL,
        .is_done = item->is_done,
        .is_missing = item->is_missing,
        .share = item->share,
        .seconds = item->seconds,
        .basis = item->basis};
}

static ward_status refuse_missing(const struct study *study)
{
    if (study->missing_count == 0 || study->skips_missing)
        return WARD_OK;
    return ward_fail(WARD_ERR_IO, "data set '%s' is not on this machine%s", study->missing[0],
                     study->missing_count > 1 ? ", and it is not the only one" : "");
}

ward_status ward_reproduction_run(ward_reproduction *reproduction,
                                  const ward_reproduce_options *options)
{
    struct study *study = &reproduction->study;
    int lock = -1;
    ward_status st = refuse_missing(study);

    if (!st)
        st = file_make_directory(study->state);
    if (!st)
        st = file_lock(study->state, &lock);
    if (!st)
        st = study_look(study); /* another process may have worked there since */
    if (!st)
        st = study_work(study, options);
    file_unlock(lock);
    return st;
}

ward_status ward_reproduction_json(const ward_reproduction *reproduction, char **out)
{
    return tables_json(&reproduction->study, 0, out);
}

ward_status ward_reproduction_markdown(const ward_reproduction *reproduction, char **out)
{
    return tables_markdown(&reproduction->study, out);
}
