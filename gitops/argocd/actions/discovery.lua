-- Which actions a ModelDeployment offers just now. Argo CD shows those that do not fit as disabled.
local status = obj.status or {}
local rollout = status.rollout or {}
local moves = status.rollout ~= nil and status.candidate ~= nil and rollout.phase ~= "RollingBack"
local soaks = rollout.phase == "Soaking"
local paused = rollout.clock ~= nil and rollout.clock.pausedAt ~= nil
local canary = rollout.canary or {}
local measures = canary.analysis ~= nil and canary.analysis.phase == "Running"
local failed = rollout.failure ~= nil
local waits = status.phase == "Paused" or measures or failed

return {
  promote = {disabled = not (soaks or (moves and waits))},
  abort = {disabled = not (soaks or moves)},
  pause = {disabled = not moves or paused},
  resume = {disabled = not (moves and paused)}
}
