/* The contract that the library carries: what a Python package or an Alusus module compares when it loads. */
#include <alusus_http/alusus_http.h>

#include <inttypes.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void names_and_entries_are_unique(void)
{
    int32_t size = ah_contract_size();
    CHECK(size > 20);
    for (int32_t i = 0; i < size; ++i) {
        CHECK(ah_contract_name(i) != NULL && ah_contract_name(i)[0] != '\0');
        for (int32_t j = 0; j < i; ++j)
            CHECK(strcmp(ah_contract_name(i), ah_contract_name(j)) != 0);
    }
    CHECK(ah_contract_version() > 0);
    CHECK(ah_contract_checksum() != 0);
}

static void an_index_out_of_range_is_refused(void)
{
    CHECK(ah_contract_name(-1) == NULL);
    CHECK(ah_contract_name(ah_contract_size()) == NULL);
    CHECK(ah_contract_entry(-1) == 0);
    CHECK(ah_contract_entry(ah_contract_size()) == 0);
}

/* What a module says that asks for a contract: exit status and standard error of a child process. */
static int require(int32_t version, const char *checksum, char *output, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        ah_require_contract("Http.alusus", version, checksum);
        fflush(NULL);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t count;
    while (length + 1 < size && (count = read(ends[0], output + length, size - 1 - length)) > 0)
        length += (size_t)count;
    output[length] = '\0';
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_module_s_check(void)
{
    int32_t version = ah_contract_version();
    char checksum[17], output[4096];
    snprintf(checksum, sizeof checksum, "%016" PRIx64, ah_contract_checksum());
    CHECK(require(version, checksum, output, sizeof output) == 0);
    CHECK(output[0] == '\0');

    /* Expected, found, which files, what to do. */
    CHECK(require(version, "0123456789abcdef", output, sizeof output) == 1);
    CHECK_HOLDS(output, "ERROR");
    CHECK_HOLDS(output, "0123456789abcdef");
    CHECK_HOLDS(output, checksum);
    CHECK_HOLDS(output, "Http.alusus");
    CHECK_HOLDS(output, "libalusus_http.so");
    CHECK_HOLDS(output, "make install-alusus");

    CHECK(require(version + 1, checksum, output, sizeof output) == 1);
    CHECK_HOLDS(output, "expected");
}

static void versions_are_texts(void)
{
    CHECK(ah_version() != NULL && ah_version()[0] >= '0' && ah_version()[0] <= '9');
    CHECK(ah_civetweb_version() != NULL && ah_civetweb_version()[0] >= '0' && ah_civetweb_version()[0] <= '9');
}

int main(void)
{
    names_and_entries_are_unique();
    an_index_out_of_range_is_refused();
    the_module_s_check();
    versions_are_texts();
    return failed_checks != 0;
}
