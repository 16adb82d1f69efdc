-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- DUE is the server's time in ms: later, nothing is done.
local now = redis.call('TIME')
if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[3]) then return 'L' end
