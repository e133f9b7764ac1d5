-- Counts one event of a window.
--
-- KEYS     the count of this key and window
-- ARGV     for how long to remember it, in milliseconds
-- Answers  how many there were

local seen = redis.call('INCR', KEYS[1])
if seen == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return seen
