/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing is poisoned: the pack is built for one host and one target. */
