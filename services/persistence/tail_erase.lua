-- Copies the tail without what was erased, a piece at a time, and puts the copy in its place once it is whole. Entries keep
-- their ids, and lines their places. To delete an entry would not do: Redis only marks it, and keeps its bytes beside others'.
-- KEYS: the tail; its copy; who is at it.
-- ARGV: a name of whoever asks; the id that was copied last, '' to begin; about how many bytes to copy now; what an erased line
--   becomes; and then in pairs ids of entries and the numbers of lines that are erased: to begin all of them, then the next.
-- Answers {what came of it: 'elsewhere' while somebody else is at it, 'more', or 'done'; the id that was copied last}.
local tail, copy, owner, name, last, budget, blank = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local patience = 30000 -- milliseconds after which whoever is at it is taken for dead

local erased = {}
for i = 5, #ARGV, 2 do erased[ARGV[i]] = ARGV[i + 1] end

-- without returns a text without some of its lines, in whose place something stands, and whether one of them was there yet.
local function without(text, numbers)
  local gone, lines, there = {}, {}, false
  for n in numbers:gmatch('%d+') do gone[tonumber(n)] = true end
  for line in (text .. '\n'):gmatch('(.-)\n') do
    local erase = gone[#lines + 1] and line ~= blank
    there = there or erase
    lines[#lines + 1] = erase and blank or line
  end
  return table.concat(lines, '\n'), there
end

-- needed tells whether anything is there yet that is erased: another replica may have been faster.
local function needed()
  for id, numbers in pairs(erased) do
    local found = redis.call('XRANGE', tail, id, id)
    for f = 1, found[1] and #found[1][2] or 0, 2 do
      local fields = found[1][2]
      if fields[f] == 'd' and select(2, without(fields[f + 1], numbers)) then return true end
    end
  end
  return false
end

if last == '' and not needed() then return {'done', last} end
local holder = redis.call('GET', owner)
if holder and holder ~= name or not holder and last ~= '' then return {'elsewhere', last} end
redis.call('SET', owner, name, 'PX', patience)
if last == '' then redis.call('UNLINK', copy) end

local more = true
while more and budget > 0 do
  local entries = redis.call('XRANGE', tail, last == '' and '-' or '(' .. last, '+', 'COUNT', 4)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    for f = 1, #fields, 2 do
      if fields[f] == 'd' and erased[entry[1]] then fields[f + 1] = without(fields[f + 1], erased[entry[1]]) end
      budget = budget - #fields[f + 1]
    end
    last, budget = entry[1], budget - 256 -- and what an entry costs beside
    redis.call('XADD', copy, last, unpack(fields))
  end
  more = #entries > 0
end

if more then
  redis.call('PEXPIRE', copy, patience)
  return {'more', last}
end
if redis.call('EXISTS', copy) == 1 then
  redis.call('PERSIST', copy)
  redis.call('UNLINK', tail) -- whose memory is given back beside
  redis.call('RENAME', copy, tail)
end
redis.call('UNLINK', owner)
return {'done', last}
