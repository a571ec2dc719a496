/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

struct MmrigLinks {
    char *cut;
    GHashTable *ends; /* name -> the end that is still to be taken, as int + 1 */
    GArray *kept;     /* of int: the other ends of what is cut */
};

MmrigLinks *mmrig_links_new(const char *cut)
{
    MmrigLinks *links = g_new0(MmrigLinks, 1);

    links->cut = g_strdup(cut);
    links->ends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    links->kept = g_array_new(FALSE, FALSE, sizeof(int));
    return links;
}

void mmrig_links_free(MmrigLinks *links)
{
    GHashTableIter iter;
    gpointer end;

    if (!links)
        return;
    g_hash_table_iter_init(&iter, links->ends);
    while (g_hash_table_iter_next(&iter, NULL, &end))
        close(GPOINTER_TO_INT(end) - 1);
    for (guint i = 0; i < links->kept->len; i++)
        close(g_array_index(links->kept, int, i));
    g_hash_table_unref(links->ends);
    g_array_unref(links->kept);
    g_free(links->cut);
    g_free(links);
}

int mmrig_links_take(MmrigLinks *links, const char *name, GError **error)
{
    gpointer end = links ? g_hash_table_lookup(links->ends, name) : NULL;
    int pair[2];

    if (end) {
        g_hash_table_remove(links->ends, name);
        return GPOINTER_TO_INT(end) - 1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        g_set_error(error, MMRIG_ERROR, MMRIG_ERROR_RIG, "cannot make the link %s: %s", name,
                    g_strerror(errno));
        return -1;
    }
    if (!links)
        close(pair[1]);
    else if (g_strcmp0(links->cut, name) == 0)
        g_array_append_val(links->kept, pair[1]);
    else
        g_hash_table_insert(links->ends, g_strdup(name), GINT_TO_POINTER(pair[1] + 1));
    return pair[0];
}

void mmrig_link_drain(int fd)
{
    char bytes[4096];
    ssize_t got;

    do
        got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    while (got > 0 || (got < 0 && errno == EINTR));
}
