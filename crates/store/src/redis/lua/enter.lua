-- Tells a list to keep an id, for at least as long as its record may be there.
--
-- KEYS     the ids, all of one score, so that they stand in the order of their bytes; until when each is kept
-- ARGV     the id; until when its record may be there; from which moment on numbers are not exact, which is never
-- Answers  until when the list keeps it
--
-- Moments are milliseconds, or never, whose score is that moment and when the list was told. What is kept no longer leaves on the
-- way, and the list itself with its last id.

local ids, kept = KEYS[1], KEYS[2]
local id, needed, far = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(moment) return string.format('%.0f', moment) end

-- Twice as long as needed now: a grant that is refreshed every hour tells its lists a few times in its life.
local last = math.huge
if needed ~= 'never' then last = tonumber(needed) + math.max(tonumber(needed) - now, 0) end

-- First: a full server lets a script write that has begun with a deletion.
redis.call('ZADD', ids, 0, id)
if last < far then
  redis.call('ZADD', kept, 'GT', text(last), id)
else
  redis.call('ZADD', kept, text(far + now), id)
end

local over = redis.call('ZRANGEBYSCORE', kept, '-inf', '(' .. text(now), 'LIMIT', 0, 100)
if #over > 0 then
  redis.call('ZREM', ids, unpack(over))
  redis.call('ZREM', kept, unpack(over))
end

local latest = redis.call('ZRANGE', kept, -1, -1, 'WITHSCORES')[2]
for _, half in ipairs(KEYS) do
  if latest and tonumber(latest) < far then
    redis.call('PEXPIREAT', half, text(tonumber(latest) + 60000))
  else
    redis.call('PERSIST', half)
  end
end
return last < far and text(last) or 'never'
