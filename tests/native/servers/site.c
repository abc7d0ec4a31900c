/* A site of handlers: /echo sends the body back in chunks, /form the fields of a form, /store keeps its files,
   /gone refuses, /moved redirects, /private asks for the password of amal.      site port */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "serve.h"

static Char folder[] = "/tmp/site-XXXXXX";
static Char passwords[64];

static Int echo(Connection *connection, void *userData)
{
    Char piece[1000];
    Int size;

    (void)userData;
    ah_start_response(connection, 200);
    ah_add_response_header(connection, TEXT("Content-Type"), TEXT("application/octet-stream"));
    while ((size = ah_read(connection, piece, sizeof piece)) > 0) {
        if (ah_send_chunk(connection, piece, 0) == 0) /* too early: an error that changes nothing */
            return 500;
        ah_send_response_headers(connection);
        ah_send_chunk(connection, piece, (ArchWord)size);
        break;
    }
    while (size > 0 && (size = ah_read(connection, piece, sizeof piece)) > 0)
        ah_send_chunk(connection, piece, (ArchWord)size);
    if (size < 0)
        return 400;
    ah_send_response_headers(connection); /* for a request without a body */
    ah_send_chunk(connection, NULL, 0);
    return 200;
}

/* The answer to a form that could not be read to its end. */
static Int refused(Connection *connection, Char *text)
{
    free(text);
    return ah_send_error(connection, 400, ah_last_error()) == 0 ? 400 : 500;
}

static Int form(Connection *connection, void *userData)
{
    size_t size = 0;
    Char *text = calloc(1, 1);
    FormField *field;
    Int status;

    (void)userData;
    while ((field = ah_next_form_field(connection)) != NULL) {
        Char piece[100], line[1000];
        Int count;

        size += (size_t)snprintf((char *)line, sizeof line, "[%.200s|%.200s|%.200s]", (char *)field->name,
                                 field->fileName == NULL ? "-" : (char *)field->fileName,
                                 field->mimeType == NULL ? "-" : (char *)field->mimeType);
        text = realloc(text, size + 1);
        strcat((char *)text, (char *)line);
        while ((count = ah_read_form_field(connection, piece, sizeof piece)) > 0) {
            text = realloc(text, size + (size_t)count + 1);
            memcpy(text + size, piece, (size_t)count);
            size += (size_t)count;
            text[size] = '\0';
        }
        if (count < 0)
            return refused(connection, text);
    }
    if (ah_last_error() != NULL)
        return refused(connection, text);
    status = ah_respond(connection, 200, TEXT("text/plain"), text, size) == 0 ? 200 : 500;
    free(text);
    return status;
}

static Int store(Connection *connection, void *userData)
{
    FormField *field = ah_next_form_field(connection);
    Int64 size = field == NULL ? -1 : ah_store_form_field(connection, userData, field->fileName);
    Char path[200];

    if (size < 0)
        return ah_send_error(connection, 400, ah_last_error()) == 0 ? 400 : 500;
    snprintf((char *)path, sizeof path, "%s/%s", (char *)folder, (char *)field->fileName);
    ah_send_file_of_type(connection, path, TEXT("application/x-stored"));
    unlink((char *)path);
    return 200;
}

static Int gone(Connection *connection, void *userData)
{
    return ah_send_error(connection, 410, userData) == 0 ? 410 : 500;
}

static Int moved(Connection *connection, void *userData)
{
    CharsPtr query = ah_get_request_info(connection)->queryString;
    Char target[100], escaped[400] = "/form?to=";

    if (ah_get_variable(query, query == NULL ? 0 : (Int)strlen((char *)query), TEXT("to"), target, sizeof target) < 0)
        return 404;
    ah_encode_url(target, escaped + 9, sizeof escaped - 9);
    return ah_send_redirect(connection, escaped, *(Int *)userData) == 0 ? *(Int *)userData : 500;
}

static Int greet(Connection *connection, void *userData)
{
    RequestInfo *info = ah_get_request_info(connection);
    Char cookie[20], body[100];

    (void)userData;
    if (ah_get_cookie(ah_get_header(connection, TEXT("Cookie")), TEXT("greeting"), cookie, sizeof cookie) < 0)
        strcpy((char *)cookie, "hello");
    snprintf((char *)body, sizeof body, "%s %s", (char *)cookie, (char *)info->remoteUser);
    return ah_respond(connection, 200, TEXT("text/plain"), body, strlen((char *)body)) == 0 ? 200 : 500;
}

static Int guard(Connection *connection, void *userData)
{
    Int known = ah_check_authentication(connection, TEXT("site"), userData);

    if (known == 0)
        ah_send_authentication_request(connection, TEXT("site"));
    return known == 1;
}

int main(int argc, char **argv)
{
    static Int status = 307;
    CharsPtr options[] = {TEXT("listening_ports"), port_of(argc, argv), TEXT("enable_keep_alive"), TEXT("yes"), NULL};
    Context *context = started(ah_start_server(NULL, NULL, options));
    int result;

    if (mkdtemp((char *)folder) == NULL)
        return 1;
    snprintf((char *)passwords, sizeof passwords, "%s/passwords", (char *)folder);
    ah_set_password(passwords, TEXT("site"), TEXT("amal"), TEXT("secret"));
    ah_set_request_handler(context, TEXT("/echo"), echo, NULL);
    ah_set_request_handler(context, TEXT("/form"), form, NULL);
    ah_set_request_handler(context, TEXT("/store"), store, folder);
    ah_set_request_handler(context, TEXT("/gone"), gone, TEXT("no more"));
    ah_set_request_handler(context, TEXT("/moved"), moved, &status);
    ah_set_request_handler(context, TEXT("/private"), greet, NULL);
    ah_set_auth_handler(context, TEXT("/private"), guard, passwords);
    result = serve_until_enter(context);
    unlink((char *)passwords);
    rmdir((char *)folder);
    return result;
}
