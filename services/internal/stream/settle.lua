-- Holds what the store says of a stream against what it said last, and has the stream delivered again from there when the
-- two differ: the store is another database then, or was started anew, perhaps without its last moments. What it says
-- first is taken as it is.
-- KEYS: the stream, and where is remembered what the store said of it.
-- ARGV: the group; the store's name; its mark, '' when it has none.
-- Answers {the new mark, below which every entry is acknowledged by all groups, '' when nothing is known; whether entries are
-- delivered again, 1 or 0}. The new mark is remembered at once, before the store has committed it: if it does not, entries
-- are delivered again without need, and never not with need.
local key, remembered, group, store, mark = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]

if redis.call('EXISTS', key) == 0 then return {'', 0} end

local mine = groups(key)[group]
if not mine then return {'', 0} end

local again, before = 0, redis.call('GET', remembered)
if before and before ~= store .. ' ' .. mark then
  -- A millisecond early: what is delivered without need is recognised.
  local from = mark == '' and '0-0' or string.format('%.0f-0', math.max(0, split(mark) - 1))
  if less(from, field(mine, 'last-delivered-id')) then
    redis.call('XGROUP', 'SETID', key, group, from)
    again = 1
  end
end

local _, needed = groups(key)
needed = needed or beyond(key)
redis.call('SET', remembered, store .. ' ' .. needed)
return {needed, again}
