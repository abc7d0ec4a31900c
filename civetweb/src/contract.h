/* The declarations that this library was built from; the table is generated. */
#ifndef AH_CONTRACT_H
#define AH_CONTRACT_H

#include <stdint.h>

struct contract_entry {
    const char *name;
    uint64_t checksum;
};

extern const int32_t contract_version;
extern const uint64_t contract_checksum; /* over all entries */
extern const int32_t contract_size;
extern const struct contract_entry contract_entries[];
extern const char contract_library_version[];

#endif
