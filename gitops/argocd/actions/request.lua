-- The request `verb`, as the annotation serving.slipway.dev/rollout: about the candidate, or what soaks; with a nonce
-- where the same was asked for before.
local status = obj.status or {}
local soaks = status.rollout ~= nil and status.rollout.phase == "Soaking"
local ref = soaks and status.stable or status.candidate
if ref == nil then
  error("nothing to " .. verb .. ": no version is on its way")
end
local key = "serving.slipway.dev/rollout"
local annotations = obj.metadata.annotations or {}
local before = {}
if annotations[key] ~= nil then
  before[annotations[key]] = true
end
for _, handled in ipairs(status.requests or {}) do
  before[handled.request] = true
end
local asked = verb .. "/" .. (ref.revision or string.sub(ref.ask, 1, 8))
local text, number = asked, 1
while before[text] do
  number = number + 1
  text = asked .. "@" .. number
end
annotations[key] = text
obj.metadata.annotations = annotations
return obj
