-- Lets a list forget ids that it keeps for ever, and whose records are gone.
--
-- KEYS  the ids; until when each is kept
-- ARGV  from which moment on numbers are not exact, which is never; ids
--
-- A list is told before the record is written: who was told of within an hour may be about to come.

local ids, kept = KEYS[1], KEYS[2]
local far = tonumber(ARGV[1])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local scores = redis.call('ZMSCORE', kept, unpack(ARGV, 2))
local gone = {}
for at = 2, #ARGV do
  local score = tonumber(scores[at - 1] or '')
  if score and score >= far and score - far < now - 60 * 60 * 1000 then table.insert(gone, ARGV[at]) end
end
if #gone > 0 then
  redis.call('ZREM', ids, unpack(gone))
  redis.call('ZREM', kept, unpack(gone))
end
