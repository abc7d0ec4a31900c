#include "statistics.h"

#include "../server.h"
#include "frame.h"
#include "runtime.h"

static enum statistic closed_by(unsigned code)
{
    switch (code) {
    case CLOSE_NORMAL:
        return CLOSED_NORMALLY;
    case CLOSE_GOING_AWAY:
        return CLOSED_GOING_AWAY;
    case CLOSE_PROTOCOL_ERROR:
        return CLOSED_PROTOCOL_ERROR;
    case CLOSE_INVALID_DATA:
        return CLOSED_INVALID_DATA;
    case CLOSE_MESSAGE_TOO_BIG:
        return CLOSED_TOO_BIG;
    case CLOSE_ABNORMAL:
        return CLOSED_ABNORMALLY;
    default:
        return CLOSED_OTHERWISE;
    }
}

void statistics_add_closed(struct statistics *statistics, unsigned code)
{
    statistics_add(statistics, closed_by(code), 1);
}

static int64_t read_value(struct statistics *statistics, enum statistic which)
{
    return atomic_load_explicit(&statistics->values[which], memory_order_relaxed);
}

const ah_web_socket_statistics *rt_get_web_socket_statistics(struct server *server)
{
    static _Thread_local ah_web_socket_statistics copy;
    struct statistics *statistics = &server->web_sockets.statistics;

    copy.open = read_value(statistics, OPEN_NOW);
    copy.opened = read_value(statistics, OPENED);
    copy.refused = read_value(statistics, REFUSED);
    copy.messages_received = read_value(statistics, MESSAGES_RECEIVED);
    copy.messages_sent = read_value(statistics, MESSAGES_SENT);
    copy.bytes_received = read_value(statistics, BYTES_RECEIVED);
    copy.bytes_sent = read_value(statistics, BYTES_SENT);
    copy.closed_normally = read_value(statistics, CLOSED_NORMALLY);
    copy.closed_going_away = read_value(statistics, CLOSED_GOING_AWAY);
    copy.closed_protocol_error = read_value(statistics, CLOSED_PROTOCOL_ERROR);
    copy.closed_invalid_data = read_value(statistics, CLOSED_INVALID_DATA);
    copy.closed_too_big = read_value(statistics, CLOSED_TOO_BIG);
    copy.closed_abnormally = read_value(statistics, CLOSED_ABNORMALLY);
    copy.closed_otherwise = read_value(statistics, CLOSED_OTHERWISE);
    return &copy;
}
