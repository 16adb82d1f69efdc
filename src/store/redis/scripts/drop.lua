-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS front, down; ARGV record, state, LATER: ms, or nil. Return: 1: removed, or will be; 0
-- With any state ('') the connection is over, and earlier versions go, too. Promises stay. First comes the usual case.
local v = redis.call('GET', KEYS[1])
local function remove()
  if ARGV[3] then redis.call('PEXPIRE', KEYS[1], ARGV[3]) else redis.call('DEL', KEYS[1]) end
end
if v and v:byte() ~= 80 and v:sub(6, -9) == ARGV[1]:sub(5, -9) and (ARGV[2] == '' or ARGV[2] == v:sub(1, 1)) then
  remove()
elseif v then
-- include record.lua
-- include instance.lua
  local is_promise, r = is_bare(v), record(v)
  local is_earlier = d and (d < 0 or d == 0 and is_promise)
  local is_same = not is_promise and leg(r) == leg(ARGV[1])
  if is_same and (ARGV[2] == '' or ARGV[2] == s) or is_earlier and ARGV[2] == '' then
    local rest = is_promise and w .. v:sub(1, 38) or w
    if rest == '' then remove() else redis.call('SET', KEYS[1], rest, 'KEEPTTL') end
  elseif not is_promise and back(r) == back(ARGV[1]) then
    return 0
  end
end
if redis.call('GET', KEYS[2]) == KEYS[1]:sub(2) then redis.call('DEL', KEYS[2]) end
return 1
