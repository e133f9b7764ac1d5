-- Some ids of a list, in the order of their bytes.
--
-- KEYS     the ids; until when each is kept
-- ARGV     from where on, as ZRANGEBYLEX has it; how many
-- Answers  the ids
--
-- What is kept no longer leaves on the way: its record is gone.

local ids, kept = KEYS[1], KEYS[2]
local from, count = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

local over = redis.call('ZRANGEBYSCORE', kept, '-inf', '(' .. now, 'LIMIT', 0, 1000)
if #over > 0 then
  redis.call('ZREM', ids, unpack(over))
  redis.call('ZREM', kept, unpack(over))
end

return redis.call('ZRANGEBYLEX', ids, from, '+', 'LIMIT', 0, count)
