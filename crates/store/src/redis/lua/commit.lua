-- Writes one record if its guard holds: the verdict of changes.rs and the write, as one step.
--
-- KEYS     the record, a hash
-- ARGV     mark; guard: absent, this or any; for this, the mark that was read; sweep in seconds, or empty for never;
--          until when lists promised to keep it, or empty; how many seconds longer than needed it is kept; from which moment
--          on numbers are not exact, which is never; then names and values of what else it says
-- Answers  done, stale or torn; or lists and until when lists must keep it before it can be written; or written and
--          until when they have promised to, if that is to be told once more
--
-- Moments are milliseconds as text, or never.

local record = KEYS[1]
local mark, guard, read, sweep, promise = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local kept, far = tonumber(ARGV[6]), tonumber(ARGV[7])

local stored = redis.call('HMGET', record, 'marks', 'ended', 'sweep', 'listed', 'client', 'person', 'told')
local marks, ended = stored[1], stored[2] == '1'

if marks and (#marks < 16 or #marks > 64 or #marks % 16 > 0) then return 'torn' end

local function carries(mark)
  for at = 1, #marks, 16 do
    if marks:sub(at, at + 15) == mark then return true end
  end
  return false
end

local function verdict()
  if marks and carries(mark) then return 'done' end
  if not marks and guard == 'absent' then return 'write' end
  if marks and guard == 'this' and marks:sub(1, 16) == read then return 'write' end
  if marks and guard == 'any' and not ended then return 'write' end
  if guard == 'any' then return 'done' end
  return 'stale'
end

local answer = verdict()
if answer ~= 'write' then return answer end

-- Over whatever is there, the later sweep holds: a rival may have issued tokens.
if marks and guard == 'any' then
  local before = stored[3] or ''
  if before == '' or (sweep ~= '' and tonumber(before) > tonumber(sweep)) then sweep = before end
end

local function number(moment) return moment == 'never' and math.huge or tonumber(moment) end
local function text(moment) return moment == math.huge and 'never' or string.format('%.0f', moment) end

local expires = math.huge
if sweep ~= '' then expires = (tonumber(sweep) + kept) * 1000 end
if expires >= far then expires = math.huge end

-- A list may name what is gone, and never misses what is there: it is told first.
local says = {}
for at = 8, #ARGV, 2 do says[ARGV[at]] = ARGV[at + 1] end
local function was(name, before) return says[name] == nil or says[name] == before end
local listed = -math.huge
if marks and was('client', stored[5]) and was('person', stored[6]) then listed = number(stored[4]) end
if promise ~= '' then listed = math.max(listed, number(promise)) end
if listed < expires then return 'lists ' .. text(expires) end

-- A list's node may have lost what it was told: once a day it hears it again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(stored[7] or '') or 0
local again = promise == '' and now - before > 24 * 60 * 60 * 1000
local told = (promise ~= '' or again) and now or before

-- A full server lets a script write that has begun with a deletion: what is new begins with what it refuses. The key itself
-- stays: while its slot moves, one that is gone is sought on the other node, and the script would end here without the record.
if not marks then redis.call('HSET', record, 'marks', mark) end
redis.call('HDEL', record, 'sweep', 'client', 'person', 'consent', 'server')
redis.call('HSET', record, 'marks', (mark .. (marks or '')):sub(1, 64), 'listed', text(listed), 'told', text(told),
  unpack(ARGV, 8))
if sweep ~= '' then redis.call('HSET', record, 'sweep', sweep) end
if expires < math.huge then
  redis.call('PEXPIREAT', record, text(expires))
else
  redis.call('PERSIST', record)
end
return again and 'written ' .. text(listed) or 'done'
