/* The tokens file; and the audit log, which a server reads when it starts. */
#include "serve/audit.h"
#include "serve/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct token_list list = {NULL, 0, NULL};
    struct accounts *accounts = NULL;

    if (tokens_parse((const char *)data, len, &list) == WARD_OK)
        tokens_release(&list);
    if (accounts_new(&accounts, NULL) == WARD_OK) {
        (void)!audit_replay_text((const char *)data, len, "2026-11-23", accounts);
        accounts_free(accounts);
    }
    return 0;
}
