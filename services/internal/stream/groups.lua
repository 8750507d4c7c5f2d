-- What the scripts about streams and their groups share; it stands before each of them.

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

-- groups returns what XINFO tells of each group of a stream, by name; the oldest id that one of them has not acknowledged, nil
-- for none; and how many were delivered and are not acknowledged. A group that was set back may have undelivered entries
-- before pending ones.
local function groups(key)
  local found, needed, pending = {}, nil, 0
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    found[field(info, 'name')] = info
    local summary = redis.call('XPENDING', key, field(info, 'name'))
    pending = pending + summary[1]
    local undelivered = redis.call('XRANGE', key, '(' .. field(info, 'last-delivered-id'), '+', 'COUNT', 1)
    for _, first in ipairs({summary[1] > 0 and summary[2] or false, undelivered[1] and undelivered[1][1] or false}) do
      if first and (not needed or less(first, needed)) then needed = first end
    end
  end
  return found, needed, pending
end

-- beyond returns the first id after every entry of a stream.
local function beyond(key)
  local ms, seq = split(field(redis.call('XINFO', 'STREAM', key), 'last-generated-id'))
  return string.format('%.0f-%.0f', ms, seq + 1)
end

