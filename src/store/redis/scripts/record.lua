-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Records are as in src/splice/record.h. Of a promise without a record: 26 bytes, client ISN and version, 12 bytes;
-- behind, the value of an earlier version, which counts until a later record is there.
-- has_tail(r): the record is of a splice with versions
local function has_tail(r)
  return #r >= 68 and bit.band(r:byte(14), 32) ~= 0
end
-- is_bare(v): the value is a promise without a record
local function is_bare(v)
  return v:byte() == 80 and v:byte(26) == 45
end
-- record(v): the record of a value
local function record(v)
  return v:sub(v:byte() == 80 and 27 or 2)
end
-- version(r): the version of a record, unsigned; 0 without a tail
local function version(r)
  return has_tail(r) and struct.unpack('>I4', r, #r - 22) or 0
end
-- instance(v): client ISN and version of a value
local function instance(v)
  local r = record(v)
  if not is_bare(v) then return r:sub(5, 8), version(r) end
  return r:sub(5, 8), #r >= 12 and struct.unpack('>I4', r, 9) or 0
end
-- is_tunnel(r): the record has no boundary: enum sp_bound is in the 4 highest bits before the seal
local function is_tunnel(r)
  return has_tail(r) and r:byte(-9) < 16
end
-- is_named(r): the record has the client's name before the tail
local function is_named(r)
  return has_tail(r) and bit.band(r:byte(-9), 8) ~= 0
end
-- extras(r): bytes of response and name before the tail
local function extras(r)
  return (r:byte(-9) >= 128 and 8 or 0) + (is_named(r) and 18 or 0)
end
-- leg(r): what is the same in all records of a version: no seal, no boundary, no response, no name, which a proxy may
-- have lost
local function leg(r)
  if not has_tail(r) then return r:sub(5, -9) end
  return r:sub(5, -24 - extras(r)) .. r:sub(-23, -16)
end
-- back(r): the packed tuple proxy -> backend
local function back(r)
  local n = #r
  if has_tail(r) then n = n - 15 - extras(r) end
  return r:sub(34, n < 77 and 45 or 69)
end
-- behind(v, n): the length of promises of versions after n, n of the same client ISN as v; all, if n is nil
local function behind(v, n)
  local at = 0
  while #v > at + 38 and is_bare(v:sub(at + 1, at + 38)) do
    if n and struct.unpack('>I4', v, at + 35) <= n then break end
    at = at + 38
  end
  return at
end
