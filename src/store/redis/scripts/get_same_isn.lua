-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- As get.lua. A record with another client ISN is an older connection's, and counts as none.
-- include get.lua
if v and r:sub(5, 8) ~= ARGV[1]:sub(5, 8) then v = false end
