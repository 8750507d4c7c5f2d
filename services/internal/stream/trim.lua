-- Trims a stream below the oldest entry that any consumer group may still need, and measures what is left.
-- KEYS[1]: the stream. ARGV: the groups that must exist; while one is missing nothing is trimmed.
-- Answers {milliseconds of the oldest entry not yet acknowledged or 0, pending entries, length}.
-- An id below the trimmed one could be needed again only after XGROUP SETID or XCLAIM FORCE, which no service does.
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

if redis.call('EXISTS', key) == 0 then return {0, 0, 0} end

local missing = {}
for _, group in ipairs(ARGV) do missing[group] = true end

local needed, pending = nil, 0
for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
  local group, last = field(info, 'name'), field(info, 'last-delivered-id')
  missing[group] = nil
  local summary = redis.call('XPENDING', key, group)
  pending = pending + summary[1]
  local first = summary[1] > 0 and summary[2] or nil
  if not first then
    local undelivered = redis.call('XRANGE', key, '(' .. last, '+', 'COUNT', 1)
    first = undelivered[1] and undelivered[1][1] or nil
  end
  if first then
    if not needed or less(first, needed) then needed = first end
  end
end

if next(missing) == nil then
  local keep = needed
  if not keep then -- every group has acknowledged everything up to the newest entry
    local ms, seq = split(field(redis.call('XINFO', 'STREAM', key), 'last-generated-id'))
    keep = string.format('%.0f-%.0f', ms, seq + 1)
  end
  redis.call('XTRIM', key, 'MINID', '~', keep, 'LIMIT', 0)
else -- nothing was stored by a group that is not there
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)
  needed = first[1] and first[1][1] or needed
end

local oldest = needed and split(needed) or 0
return {oldest, pending, redis.call('XLEN', key)}
