-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, is_chosen. Return: enum sp_refresh_result
-- An equal record is written again, too: its seal may be of a key that is going. r:sub(5, -9) is a record without
-- magic and seal.
-- include get.lua
local kept = 1
if v and #r >= 41 then
  if r:sub(5, -9) == ARGV[1]:sub(5, -9) then
    if s == 'C' then kept = 0 end
  elseif r:sub(5, 8) == ARGV[1]:sub(5, 8) then
    if ARGV[3] ~= '1' and r:byte(13) >= ARGV[1]:byte(13) then return 2 end
  elseif struct.unpack('>I4', r, 9) >= struct.unpack('>I4', ARGV[1], 9) then
    return 3
  end
end
redis.call('SET', KEYS[1], 'C' .. ARGV[1], 'PX', ARGV[2])
-- include put_down.lua
return kept
