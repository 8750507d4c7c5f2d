-- Trims a stream below the oldest entry that any consumer group may still need, and measures what is left.
-- KEYS[1]: the stream.
-- ARGV[1]: what may be trimmed: '+' all that every group has acknowledged; else only what lies below this id ('' nothing) and
--   ARGV[2]: below this one, from before which nothing is kept, or as much more as keeps the stream within
--   ARGV[3]: these bytes.
-- ARGV from 4: groups that must exist; while one is missing nothing is trimmed.
-- Answers {milliseconds of the oldest entry not yet acknowledged or 0, pending entries, length}.
-- An id below the trimmed one could be needed again only after XCLAIM FORCE, which no service does, or after XGROUP SETID,
-- which settle.lua does for a store that has gone back: whatever lies before the tail is then lost.
local key = KEYS[1]

-- tail returns below which id to trim when acknowledged entries are kept for a while; nil for nothing. Where they take
-- too many bytes, as large a share of their time goes: the next rounds come closer.
local function tail(acknowledged)
  if ARGV[1] == '' then return nil end
  local most, keep = less(ARGV[1], acknowledged) and ARGV[1] or acknowledged, ARGV[2]
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)
  local bytes, budget = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 16), tonumber(ARGV[3])
  if first[1] and bytes > budget then
    local from, to = split(first[1][1]), split(most)
    local over = string.format('%.0f-0', from + math.ceil(math.max(0, to - from) * (bytes - budget) / bytes) + 1)
    if less(keep, over) then keep = over end
  end
  return less(keep, most) and keep or most
end

if redis.call('EXISTS', key) == 0 then return {0, 0, 0} end

local found, needed, pending = groups(key)
local missing = false
for i = 4, #ARGV do missing = missing or not found[ARGV[i]] end

if not missing then
  local keep = needed or beyond(key)
  if ARGV[1] ~= '+' then keep = tail(keep) end
  if keep then redis.call('XTRIM', key, 'MINID', '~', keep, 'LIMIT', 0) end
else -- nothing was stored by a group that is not there
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)
  needed = first[1] and first[1][1] or needed
end

local oldest = needed and split(needed) or 0
return {oldest, pending, redis.call('XLEN', key)}
