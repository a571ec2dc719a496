/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine goes elsewhere while its camera streams, and the stream goes on there: each frame
 * is whole and comes once, and if one is lost, the camera says so.
 *
 * Arguments: by=fork, forked in mid-stream; by=migration, asks the rig for it (request
 * "migrate") and streams all the while. frames=N before and again after. hold=0 is not forked,
 * skip=1 loses a frame of its own, to see that either is noticed.
 */
#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "camera.h"
#include "harness.h"

#define BUFFERS 12
/* 10 frames a second, which a guest on a busy host still has time to check. */
#define INTERVAL_NS 100000000
/* How many frames wait to be taken. */
#define BEHIND 6
/* A fork's clock has been set; it takes longer than this to make one. */
#define STOOD_STILL 0.01

HARNESS_HOLDS_LATER

struct account {
    struct camera camera;
    uint64_t taken, lost;
    uint32_t next;
    uint64_t time; /* the latest frame's, by the camera's clock */
    uint32_t used; /* buffers that frames came in, a bit each */
};

static void take(struct account *account)
{
    struct camera *camera = &account->camera;
    struct mmrig_cam_frame header;
    struct camera_frame frame;

    ASSERT_EQ(camera_take(camera, &frame, 10), 0);
    const char *wrong = camera_frame_wrong(camera, &frame);
    if (wrong)
        DIAG("frame %u in buffer %u: %s", frame.sequence, frame.index, wrong);
    ASSERT_EQ(wrong, NULL);
    ASSERT_GE(frame.sequence, account->next);
    account->lost += frame.sequence - account->next;
    account->next = frame.sequence + 1;
    account->taken++;
    account->used |= 1u << frame.index;
    memcpy(&header, frame.data, sizeof(header));
    ASSERT_GT(le64toh(header.time), account->time);
    account->time = le64toh(header.time);
    ASSERT_EQ(camera_queue(camera, frame.index), 0);
}

/* By how much the clock of the day is ahead of the one that counts from the start. */
static double day_begins(void)
{
    struct timespec day, running;

    clock_gettime(CLOCK_MONOTONIC, &running);
    clock_gettime(CLOCK_REALTIME, &day);
    return (double)(day.tv_sec - running.tv_sec) +
           (double)(day.tv_nsec - running.tv_nsec) / 1e9;
}

static void be_forked(void)
{
    double before = day_begins();

    if (test_arg_u64("hold", 1))
        rig_hold();
    double stood_still = day_begins() - before;
    rig_metric("stood-still", stood_still, "s");
    ASSERT_GT(stood_still, STOOD_STILL);
}

static atomic_bool is_elsewhere;

static void *ask(void *data)
{
    struct rig_reply *reply = data;

    rig_request(reply, "migrate", "%s", "");
    is_elsewhere = true;
    return NULL;
}

static bool is_behind(void *data)
{
    const struct account *account = data;

    return camera_statistic("frames") >= account->taken + BEHIND;
}

/*
 * Streams until the rig says that the machine is elsewhere. Some frames always wait to be
 * taken, so that they are written on the one side and checked on the other.
 */
static void be_migrated(struct account *account)
{
    struct rig_reply reply;
    pthread_t asker;

    ASSERT_EQ(pthread_create(&asker, NULL, ask, &reply), 0);
    uint64_t taken = account->taken, lost = account->lost;
    while (!is_elsewhere) {
        ASSERT_TRUE(wait_until(is_behind, account, 10));
        take(account);
    }
    ASSERT_EQ(pthread_join(asker, NULL), 0);
    ASSERT_TRUE(reply.ok);
    rig_metric("frames-meanwhile", (double)(account->taken - taken), "frames");
    rig_metric("lost-meanwhile", (double)(account->lost - lost), "frames");
}

/* A frame that is taken and forgotten. */
static void lose(struct camera *camera)
{
    struct camera_frame frame;

    ASSERT_EQ(camera_take(camera, &frame, 10), 0);
    ASSERT_EQ(camera_queue(camera, frame.index), 0);
}

/* How many frames the camera says that it has lost. */
static uint64_t lost_by_camera(void)
{
    return camera_statistic("device_underruns") + camera_statistic("device_dropped");
}

/* Until the camera has lost one, so that there is a count to go along. */
static bool has_lost(void *data)
{
    const uint64_t *before = data;

    return lost_by_camera() > *before;
}

/*
 * A loss shows in the sequence only behind all frames that waited to be taken when it came. So
 * takes all those, until none was lost meanwhile; returns what the camera has lost by then.
 */
static uint64_t settle(struct account *account)
{
    for (unsigned round = 0; round < 20; round++) {
        uint64_t lost = lost_by_camera();

        account->used = 0;
        for (unsigned i = 0; i <= BUFFERS; i++)
            take(account);
        if (lost_by_camera() == lost)
            return lost;
    }
    ABORT("the camera loses frames all the time: the guest is too slow for it");
}

/* Whether what the camera has delivered is what the driver has had: one may be under way. */
static bool counts_agree(void *data)
{
    const uint64_t *before = data;

    return camera_statistic("device_frames") - *before == camera_statistic("frames");
}

TEST(the_stream_goes_on_elsewhere)
{
    const uint64_t frames = test_arg_u64("frames", 8);
    const char *by = test_arg("by") ? test_arg("by") : "fork";
    static struct account account;
    struct camera *camera = &account.camera;

    camera_open(camera);
    ASSERT_EQ(camera_format(camera, 640, 480, MMRIG_CAM_FORMAT_GREY), 0);
    ASSERT_EQ(camera_interval(camera, INTERVAL_NS), 0);
    camera_statistics_reset();
    uint64_t lost = lost_by_camera();
    uint64_t delivered = camera_statistic("device_frames");
    uint64_t generation = camera_statistic("device_generation");
    ASSERT_EQ(camera_allocate(camera, BUFFERS), 0);
    ASSERT_EQ(camera_queue_all(camera), 0);
    ASSERT_EQ(camera_stream(camera, true), 0);
    for (uint64_t i = 0; i < frames; i++)
        take(&account);
    ASSERT_TRUE(wait_until(has_lost, &lost, 20));
    /* All those were full; so that the camera has buffers to go on with elsewhere. */
    for (unsigned i = 0; i < BUFFERS; i++)
        take(&account);
    if (strcmp(by, "fork") == 0)
        be_forked();
    else
        be_migrated(&account);
    if (test_arg_u64("skip", 0))
        lose(camera);
    for (uint64_t i = 0; i < frames; i++)
        take(&account);

    lost = settle(&account) - lost;
    EXPECT_TRUE(wait_until(counts_agree, &delivered, 10));
    ASSERT_EQ(camera_stream(camera, false), 0);
    rig_metric("frames", (double)account.taken, "frames");
    rig_metric("lost", (double)account.lost, "frames");
    EXPECT_EQ(lost, account.lost);
    /* They are filled in turn, so each had its turn since the last loss; none was forgotten. */
    EXPECT_EQ(account.used, (1u << BUFFERS) - 1);
    EXPECT_GE(camera_statistic("frames"), account.taken);
    EXPECT_EQ(camera_statistic("device_generation"), generation + 1);
    EXPECT_EQ(camera_statistic("bad_frames"), 0);
    EXPECT_EQ(camera_statistic("stray"), 0);
    EXPECT_EQ(camera_statistic("device_dma_errors"), 0);
    EXPECT_EQ(camera_statistic("device_errors"), 0);
    camera_close(camera);
}

HARNESS_MAIN
