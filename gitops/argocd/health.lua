-- Health of a ModelDeployment (serving.slipway.dev), for argocd-cm under the key
-- resource.customizations.health.serving.slipway.dev_ModelDeployment
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function health(name, condition)
  return {status = name, message = condition ~= nil and condition.message or "no condition says why"}
end

if status.observedGeneration ~= obj.metadata.generation or conditions.Ready == nil then
  return {status = "Progressing", message = "the operator has not looked at this spec yet"}
end
if holds("Stalled") then
  return health("Degraded", conditions.Stalled)
end
if status.phase == "Paused" or status.phase == "Suspended" then
  return health("Suspended", conditions.Ready)
end
local following = conditions.Following
if holds("Ready") and following ~= nil and following.status ~= "True" then
  if following.reason == "NothingToFollow" then
    return health("Degraded", following)
  end
  return {status = "Healthy", message = conditions.Ready.message .. "; " .. following.message}
end
if holds("Ready") then
  return health("Healthy", conditions.Ready)
end
return health("Progressing", conditions.Ready)
