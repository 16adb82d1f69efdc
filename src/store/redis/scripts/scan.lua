-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- KEYS none; ARGV cursor, count, address... Return: the next cursor, and a list of keys and values
-- A promise without a record does not hide the value of an earlier version.
-- include record.lua
local ours, out = {}, {}
for i = 3, #ARGV do ours[ARGV[i]] = true end
local page = redis.call('SCAN', ARGV[1], 'MATCH', 'f*', 'COUNT', ARGV[2])
for _, key in ipairs(page[2]) do
  local v = redis.pcall('GET', key)
  if type(v) == 'string' then
    v = v:sub(behind(v) + 1)
    local tuple = back(record(v))
    if #ARGV == 2 or ours[tuple:sub(1, #tuple < 36 and 4 or 16)] then
      out[#out + 1] = key
      out[#out + 1] = v
    end
  end
end
return {page[1], out}
