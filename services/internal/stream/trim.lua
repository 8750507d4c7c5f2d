-- Trims a stream below the oldest entry that any consumer group may still need, and measures what is left.
-- KEYS: the stream, and where is remembered what the store said of it.
-- ARGV[1]: what may be trimmed: '+' all that every group has acknowledged; else only what lies below this id ('' nothing) and
--   ARGV[2]: below this one, from before which nothing is kept, or as much more as keeps the stream within
--   ARGV[3]: these bytes.
-- ARGV[4]: what the store has said, '' nothing new. ARGV from 5: groups that must exist; while one is missing nothing is trimmed.
-- Answers {milliseconds of the oldest entry not yet acknowledged or 0, pending entries, length}.
-- An id below the trimmed one could be needed again only after XCLAIM FORCE, which no service does, or after XGROUP SETID,
-- which settle.lua does to an id that lies above whatever was trimmed by what the store said.
local key = KEYS[1]

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

local missing = {}
for i = 5, #ARGV do missing[ARGV[i]] = true end

local needed, pending = nil, 0
for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local group, last = field(info, 'name'), field(info, 'last-delivered-id')
  missing[group] = nil
  local summary = redis.call('XPENDING', key, group)
  pending = pending + summary[1]
  local undelivered = redis.call('XRANGE', key, '(' .. last, '+', 'COUNT', 1)
  for _, first in ipairs({summary[1] > 0 and summary[2] or false, undelivered[1] and undelivered[1][1] or false}) do
    if first and (not needed or less(first, needed)) then needed = first end
  end
end

if next(missing) == nil then
  local keep = needed
  if not keep then -- every group has acknowledged everything up to the newest entry
    local ms, seq = split(field(redis.call('XINFO', 'STREAM', key), 'last-generated-id'))
    keep = string.format('%.0f-%.0f', ms, seq + 1)
  end
  if ARGV[1] ~= '+' then keep = tail(keep) end
  if keep then redis.call('XTRIM', key, 'MINID', '~', keep, 'LIMIT', 0) end
  if ARGV[4] ~= '' then redis.call('SET', KEYS[2], ARGV[4]) end
else -- nothing was stored by a group that is not there
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)
  needed = first[1] and first[1][1] or needed
end

local oldest = needed and split(needed) or 0
return {oldest, pending, redis.call('XLEN', key)}
