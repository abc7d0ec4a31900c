/* For compilers without libFuzzer: runs a target over the files of the folders that are given. */
#include <dirent.h>

#include "fuzz.h"

static void replay(const char *path)
{
    uint8_t buffer[1 << 16];
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL);
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    uint8_t *input = copy_exactly(buffer, size);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; ++i) {
        struct dirent *entry;
        DIR *folder = opendir(argv[i]);
        REQUIRE(folder != NULL);
        while ((entry = readdir(folder)) != NULL) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            replay(path);
            ++count;
        }
        closedir(folder);
    }
    REQUIRE(count > 0);
    printf("%d inputs\n", count);
    return 0;
}
