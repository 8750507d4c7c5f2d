-- Holds what the store says of a stream against what it said last, and has the stream delivered again from there when the
-- two differ: the store is another database then, or was started anew, perhaps without its last moments. What it says
-- first is taken as it is.
-- KEYS: the stream, and where is remembered what the store said of it.
-- ARGV: the group; the store and its mark, as it is remembered; the mark alone, '' when the store has none.
-- Answers {the id below which every entry is acknowledged by all groups, '' when nothing is known; whether entries are
-- delivered again, 1 or 0}.
local key, remembered, group, said, mark = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]

local function field(flat, name)
  for i = 1, #flat, 2 do
    if flat[i] == name then return flat[i + 1] end
  end
end

local function split(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function less(a, b)
  local ams, aseq = split(a)
  local bms, bseq = split(b)
  return ams < bms or (ams == bms and aseq < bseq)
end

if redis.call('EXISTS', key) == 0 then return {'', 0} end

local groups, mine = redis.call('XINFO', 'GROUPS', key), nil
for _, info in ipairs(groups) do
  if field(info, 'name') == group then mine = info end
end
if not mine then return {'', 0} end

local again, before = 0, redis.call('GET', remembered)
if before and before ~= said then
  -- A millisecond early: what is delivered without need is recognised.
  local from = mark == '' and '0-0' or string.format('%.0f-0', math.max(0, split(mark) - 1))
  if less(from, field(mine, 'last-delivered-id')) then
    redis.call('XGROUP', 'SETID', key, group, from)
    again = 1
  end
end
redis.call('SET', remembered, said)

local needed = nil
for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local summary = redis.call('XPENDING', key, field(info, 'name'))
  local undelivered = redis.call('XRANGE', key, '(' .. field(info, 'last-delivered-id'), '+', 'COUNT', 1)
  for _, first in ipairs({summary[1] > 0 and summary[2] or false, undelivered[1] and undelivered[1][1] or false}) do
    if first and (not needed or less(first, needed)) then needed = first end
  end
end
if not needed then -- every group has acknowledged everything up to the newest entry
  local ms, seq = split(field(redis.call('XINFO', 'STREAM', key), 'last-generated-id'))
  needed = string.format('%.0f-%.0f', ms, seq + 1)
end
return {needed, again}
