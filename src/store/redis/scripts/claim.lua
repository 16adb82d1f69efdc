-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, DUE, FOLLOWS ('1': only where an earlier version is)
-- Return: nil: the record was stored; the value that is there; 'L'; 'N': no earlier version is there
-- include late.lua
local follows, v = ARGV[4] == '1', nil
if follows then
  v = redis.call('GET', KEYS[1])
  if not v then return 'N' end
else
  v = redis.call('SET', KEYS[1], 'F' .. ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
end
if v then
-- include record.lua
-- include instance.lua
  if d and d >= 0 then return v end
  if follows and not d then return 'N' end
  redis.call('SET', KEYS[1], w .. 'F' .. ARGV[1], 'PX', ARGV[2])
end
-- include put_down.lua
return false
