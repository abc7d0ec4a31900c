/* A page with a form, and what was sent with it.      form [port] */
#include <alusus_http/alusus_http.h>

#include <stdio.h>
#include <string.h>

static const char page[] = "<!DOCTYPE html><meta charset=utf-8><title>Form</title>"
                           "<form action=/sent method=post enctype=multipart/form-data>"
                           "<input name=name placeholder=Name> <input name=file type=file> <button>Send</button>"
                           "</form>";

static int32_t show(ah_connection *connection, void *user_data)
{
    (void)user_data;
    ah_respond(connection, 200, "text/html; charset=utf-8", page, strlen(page));
    return 200;
}

/* Says how long each field is, as it comes in: none of them is ever in memory as a whole. */
static int32_t count(ah_connection *connection, void *user_data)
{
    const ah_form_field *field = ah_next_form_field(connection);
    char bytes[4096], line[4096];
    int32_t size;

    (void)user_data;
    if (field == NULL) {
        ah_send_error(connection, 400, ah_last_error() != NULL ? ah_last_error() : "the form is empty");
        return 400;
    }
    ah_start_response(connection, 200);
    ah_add_response_header(connection, "Content-Type", "text/plain; charset=utf-8");
    ah_send_response_headers(connection);
    for (; field != NULL; field = ah_next_form_field(connection)) {
        int64_t length = 0;
        while ((size = ah_read_form_field(connection, bytes, sizeof bytes)) > 0)
            length += size;
        if (size < 0)
            return 400; /* the answer has begun: it breaks off */
        size = snprintf(line, sizeof line, "%.1000s: %lld bytes\n", field->name, (long long)length);
        ah_send_chunk(connection, line, (size_t)size);
    }
    if (ah_last_error() == NULL)
        ah_send_chunk(connection, NULL, 0);
    return 200;
}

int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "8080";
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%s", port);

    ah_context *server = ah_start_server_on_port(NULL, NULL, address);
    if (server == NULL) {
        fprintf(stderr, "%s\n", ah_last_error());
        return 1;
    }
    ah_set_request_handler(server, "/", show, NULL);
    ah_set_request_handler(server, "/sent", count, NULL);
    printf("Form at http://%s\nPress Enter to stop.\n", address);
    fflush(stdout);
    getchar();
    ah_stop_server(server);
    return 0;
}
