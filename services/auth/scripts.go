package auth

import (
	"github.com/redis/go-redis/v9"

	"github.com/theeye-dev/theeye/api/registry"
)

// fieldRepair is the hash's field with the token of a repair under way; readers ignore it.
const fieldRepair = "repair"

// revisionOf reads a record's revision in Lua. The record is as encoding/json writes registry.Application, whose first
// fields can hold no quote, so that a match is enough: decoding it whole would hold up Redis for large policies, and
// cjson gives up on deep schemas. Revisions are microseconds since 1970, exact in Lua's numbers until the year 2255.
// A record that does not look so is as good as none: it is replaced.
const revisionOf = `
local function revision(record)
  local head = '^{"uid":"[^"]*","namespace":"[^"]*","name":"[^"]*","clientID":"[^"]*","revision":(%d+)'
  return record and tonumber(string.match(record, head)) or -1
end
`

var (
	// publishScript takes the log and the hash; uid, revision, record and the log's length.
	publishScript = redis.NewScript(revisionOf + `
local stored = revision(redis.call('HGET', KEYS[2], ARGV[1]))
if stored >= tonumber(ARGV[2]) then return {stored, 0} end
local previous = redis.call('HGET', KEYS[2], '` + registry.FieldTail + `') or '0-0'
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*',
  '` + registry.FieldRecord + `', ARGV[3], '` + registry.FieldPrevious + `', previous)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3], '` + registry.FieldTail + `', id)
return {tonumber(ARGV[2]), 1}
`)

	// publishKeysScript takes the log and the hash; revision, signing keys and the log's length. Their record begins with
	// its revision, as encoding/json writes registry.SigningKeys.
	publishKeysScript = redis.NewScript(`
local record = redis.call('HGET', KEYS[2], '` + registry.FieldKeys + `')
local stored = record and tonumber(string.match(record, '^{"revision":(%d+)')) or -1
if stored >= tonumber(ARGV[1]) then return {stored, 0} end
local previous = redis.call('HGET', KEYS[2], '` + registry.FieldTail + `') or '0-0'
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*',
  '` + registry.FieldKeys + `', ARGV[2], '` + registry.FieldPrevious + `', previous)
redis.call('HSET', KEYS[2], '` + registry.FieldKeys + `', ARGV[2], '` + registry.FieldTail + `', id)
return {tonumber(ARGV[1]), 1}
`)

	// revisionsScript takes the hash; uids.
	revisionsScript = redis.NewScript(revisionOf + `
local revisions = {}
for i, record in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do revisions[i] = revision(record) end
return revisions
`)

	// forgetScript takes the hash; uid and revision.
	forgetScript = redis.NewScript(revisionOf + `
if revision(redis.call('HGET', KEYS[1], ARGV[1])) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`)

	// beginScript takes the hash; the token to use if no repair is under way.
	beginScript = redis.NewScript(`
redis.call('HSETNX', KEYS[1], '` + fieldRepair + `', ARGV[1])
return redis.call('HGET', KEYS[1], '` + fieldRepair + `')
`)

	// finishScript takes the hash; token and number of applications. When the token is gone because another replica
	// has finished the same repair, the marker is there.
	finishScript = redis.NewScript(`
local hash, complete, tail = KEYS[1], '` + registry.FieldComplete + `', '` + registry.FieldTail + `'
if redis.call('HGET', hash, '` + fieldRepair + `') ~= ARGV[1] then return redis.call('HEXISTS', hash, complete) end
local beside = 1
for _, field in ipairs({complete, tail, '` + registry.FieldKeys + `'}) do beside = beside + redis.call('HEXISTS', hash, field) end
if redis.call('HLEN', hash) - beside < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', hash, complete, ARGV[1])
return redis.call('HDEL', hash, '` + fieldRepair + `')
`)
)
