-- Tells a list to keep an id, for at least as long as its record may be there.
--
-- KEYS     the ids, all of one score, so that they stand in the order of their bytes; until when each is kept
-- ARGV     the id; until when its record may be there
-- Answers  until when the list keeps it
--
-- Moments are milliseconds, or never. What is kept no longer leaves on the way, and the list itself with its last id.

local ids, kept = KEYS[1], KEYS[2]
local id, needed = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Twice as long as needed now: a grant that is refreshed every hour tells its lists a few times in its life.
local score, last = '+inf', 'never'
if needed ~= 'never' then
  local moment = tonumber(needed)
  last = string.format('%.0f', moment + math.max(moment - now, 0))
  score = last
end

-- First: a full server lets a script write that has begun with a deletion.
redis.call('ZADD', ids, 0, id)
redis.call('ZADD', kept, 'GT', score, id)

local over = redis.call('ZRANGEBYSCORE', kept, '-inf', '(' .. string.format('%.0f', now), 'LIMIT', 0, 100)
if #over > 0 then
  redis.call('ZREM', ids, unpack(over))
  redis.call('ZREM', kept, unpack(over))
end

local latest = redis.call('ZRANGE', kept, -1, -1, 'WITHSCORES')[2]
if not latest then return last end
for _, half in ipairs(KEYS) do
  if latest == 'inf' then
    redis.call('PERSIST', half)
  else
    redis.call('PEXPIREAT', half, string.format('%.0f', tonumber(latest) + 60000))
  end
end
return last
