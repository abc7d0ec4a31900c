#include "defaults.h"

#include <stddef.h>
#include <string.h>

#include "civetweb.h"

/* CivetWeb's own patterns of the files that it would run; who asks for that names them. */
#define CGI_FILES "**.cgi$|**.pl$|**.php$"
#define SSI_FILES "**.shtml$|**.shtm$"
#define PAGES "index.xhtml,index.html,index.htm"

/* What options may ask for. */
enum { A_NAME = 1, CGI = 2, SSI = 4 };

struct option_default {
    const char *name, *value;
    int unless; /* any of these is asked for */
};

static const struct option_default general[] = {
    /* Answers leave when they are written, not when the client has acknowledged what came before. */
    {"tcp_nodelay", "1", 0},
    {"enable_directory_listing", "no", 0},
    /* CivetWeb lets the pages of every site read files and send what requests they like. */
    {"access_control_allow_origin", "", 0},
    {"access_control_allow_methods", "", 0},
    {"access_control_allow_headers", "", 0},
    /* Without a name, CivetWeb takes itself for "mydomain.com": it sends clients there and refuses others. */
    {"enable_auth_domain_check", "no", A_NAME},
};

/* Scripts run only when asked for; when they do not, nobody reads their source either. Of several values for an
 * option the first counts. */
static const struct option_default of_scripts[] = {
    {"cgi_pattern", "", CGI},
    {"ssi_pattern", "", SSI},
    {"index_files", PAGES, CGI | SSI},
    {"index_files", PAGES ",index.cgi,index.shtml,index.php", 0},
    {"hide_files_patterns", CGI_FILES "|" SSI_FILES, CGI | SSI},
    {"hide_files_patterns", CGI_FILES, CGI},
    {"hide_files_patterns", SSI_FILES, SSI},
    {"hide_files_patterns", "", 0},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *first_value(const struct option_default *table, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].value;
    return NULL;
}

const char *defaults_value(const char *name)
{
    const char *value = first_value(general, COUNT(general), name);

    return value != NULL ? value : first_value(of_scripts, COUNT(of_scripts), name);
}

static bool gives_any(const struct options *options, const char *prefix)
{
    size_t i;

    for (i = 0; i + 1 < options->count; i += 2)
        if (strncmp(options->list[i], prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

static bool apply(struct options *options, const struct option_default *table, size_t count, int asked)
{
    size_t i;

    for (i = 0; i < count; i++)
        if ((table[i].unless & asked) == 0 && !options_default(options, table[i].name, table[i].value))
            return false;
    return true;
}

bool defaults_apply(struct options *options)
{
    int asked = (options_value(options, "authentication_domain") != NULL ? A_NAME : 0) |
                (gives_any(options, "cgi") ? CGI : 0) | (gives_any(options, "ssi_pattern") ? SSI : 0);

    return apply(options, general, COUNT(general), asked) && apply(options, of_scripts, COUNT(of_scripts), asked);
}

/* Whether a server's value is what this file has chosen for it. */
static bool is_default(const struct mg_context *server, const struct option_default *option)
{
    const char *value = mg_get_option(server, option->name);
    size_t i;

    for (i = 0; i < COUNT(of_scripts); i++)
        if (strcmp(of_scripts[i].name, option->name) == 0 && strcmp(of_scripts[i].value, value) == 0)
            return true;
    return false;
}

/* Whether a domain runs the scripts of a pattern, given to it or to its server. */
static bool runs(const struct options *options, const struct mg_context *server, const char *pattern)
{
    const char *value = options_value(options, pattern);

    return *(value != NULL ? value : mg_get_option(server, pattern)) != '\0';
}

bool defaults_apply_to_domain(struct options *options, const struct mg_context *server)
{
    bool cgi = runs(options, server, "cgi_pattern") || runs(options, server, "cgi2_pattern");
    int asked = (cgi ? CGI : 0) | (runs(options, server, "ssi_pattern") ? SSI : 0);
    size_t i;

    for (i = 0; i < COUNT(of_scripts); i++)
        if (is_default(server, &of_scripts[i]) && !apply(options, &of_scripts[i], 1, asked))
            return false;
    return true;
}
