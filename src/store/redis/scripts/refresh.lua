-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, TTL, is_chosen. Return: enum sp_refresh_result
-- An equal record is written again, too: its seal may be of a key that is going. So is one with another boundary of
-- the same version, which moves without a commit; but a tunnel stays a tunnel. First comes the usual case.
local v = redis.call('GET', KEYS[1])
local kept, new, around = 1, ARGV[1], ''
if v and v:byte() ~= 80 and v:sub(6, -9) == new:sub(5, -9) then
  if v:byte() == 67 then kept = 0 end
elseif v then
-- include record.lua
-- include instance.lua
  local r = record(v)
  if is_bare(v) then
    if d and d > 0 then w = w .. v end
  elseif #r >= 53 then
    if d == nil then
      if struct.unpack('>I4', r, 9) >= struct.unpack('>I4', new, 9) then return 3 end
    elseif d > 0 then
      return 3
    elseif leg(r) == leg(new) then
      if s == 'C' then kept = 0 end
      if is_tunnel(r) or is_named(r) and not is_named(new) then new = r end
    elseif d == 0 and ARGV[3] ~= '1' and r:byte(13) >= new:byte(13) then
      return 2
    end
  end
  around = w
end
redis.call('SET', KEYS[1], around .. 'C' .. new, 'PX', ARGV[2])
-- include put_down.lua
return kept
