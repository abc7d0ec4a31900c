#define _GNU_SOURCE /* dladdr */
#include "contract.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alusus_http/alusus_http.h"
#include "civetweb.h"

const char *ah_version(void)
{
    return contract_library_version;
}

const char *ah_civetweb_version(void)
{
    return mg_version();
}

int32_t ah_contract_version(void)
{
    return contract_version;
}

uint64_t ah_contract_checksum(void)
{
    return contract_checksum;
}

int32_t ah_contract_size(void)
{
    return contract_size;
}

const char *ah_contract_name(int32_t index)
{
    return index >= 0 && index < contract_size ? contract_entries[index].name : NULL;
}

uint64_t ah_contract_entry(int32_t index)
{
    return index >= 0 && index < contract_size ? contract_entries[index].checksum : 0;
}

static const char *library_file(void)
{
    Dl_info info;

    return dladdr((const void *)&contract_version, &info) != 0 ? info.dli_fname : "libalusus_http.so";
}

void ah_require_contract(const char *module_file, int32_t version, const char *checksum)
{
    char found[17];

    snprintf(found, sizeof found, "%016" PRIx64, contract_checksum);
    if (version == contract_version && strcmp(checksum, found) == 0)
        return;
    fprintf(stderr,
            "ERROR: %s and its library do not belong together.\n"
            "  expected: contract %" PRId32 ", checksum %s (%s)\n"
            "  found:    contract %" PRId32 ", checksum %s (%s, version %s)\n"
            "Install both from one package: run `make install-alusus` in the project, or unpack the package again.\n",
            module_file, version, checksum, module_file, contract_version, found, library_file(),
            contract_library_version);
    exit(EXIT_FAILURE);
}
