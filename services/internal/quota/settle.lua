-- Charges what a replica has spent to an application's bucket, lets through what it asks for, if there is enough, and
-- tells what is left.
-- KEYS[1]: the bucket, which is full when it is not there. ARGV: rate and burst; the events that were spent (below zero:
-- given back), the microseconds within which they were; the events that are asked for.
-- Answers {level in millionths of events, below zero for a debt; events ever charged; 1 if what was asked for was
-- enough}. Levels are at most 2^31 events: all numbers are exact in Lua's.
local rate, full = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000000
local spent, span, asked = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local stored = redis.call('HMGET', KEYS[1], 'level', 'at', 'total')
local level, at, total = tonumber(stored[1] or full), tonumber(stored[2] or now), tonumber(stored[3] or 0)
at = math.min(at, now) -- a clock that was set back

-- It was spent while the bucket filled: what flowed in meanwhile is not lost because the bucket was full before.
span = math.min(span, now - at)
level = math.min(level + (now - at - span) * rate, full)
level = math.min(level + span * rate - spent * 1000000, full)

-- More than the bucket can hold needs a full one.
local granted = level >= math.min(asked * 1000000, full) and asked > 0
if granted then
  level = level - asked * 1000000
  total = total + asked
end
total = total + spent

redis.call('HSET', KEYS[1], 'level', level, 'at', now, 'total', total)
redis.call('PEXPIRE', KEYS[1], math.ceil((full - level) / rate / 1000) + 1000) -- by then it is full
return {level, total, granted and 1 or 0}
