-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- v: the value under the front key; s: its state; r: its record, or the beginning of a record
local v = redis.call('GET', KEYS[1])
local s = v and v:sub(1, 1)
local r = v and v:sub(s == 'P' and 27 or 2)
